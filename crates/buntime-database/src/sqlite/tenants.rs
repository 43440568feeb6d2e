//! Tenants of a SQLite database: files in a directory beside it, `buntime.tenants/NAME.db`.

use std::{fs, io, path::PathBuf, sync::Arc};

use async_trait::async_trait;

use super::{Options, Sqlite};
use crate::{
    Adapter, Error, ErrorKind, Result, TenantName, Tenants,
    tenants::{Keeps, no_such},
};

#[derive(Debug)]
struct Files {
    dir: PathBuf,
    options: Options,
}

impl Sqlite {
    /// The tenants of the database with these options.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] for a database in memory.
    pub fn tenants(options: &Options) -> Result<Tenants> {
        let Some(path) = options.path() else {
            return Err(Error::new(ErrorKind::NotAllowed, "a database in memory has no tenants"));
        };
        // Many may be open: each has one thread that reads.
        Ok(Tenants::new(Files { dir: path.with_extension("tenants"), options: options.clone().with_readers(1) }))
    }
}

impl Files {
    fn path(&self, name: &TenantName) -> PathBuf {
        self.dir.join(format!("{}.db", name.as_str()))
    }
}

#[async_trait]
impl Keeps for Files {
    async fn create(&self, name: &TenantName) -> Result<bool> {
        let path = self.path(name);
        if path.exists() {
            return Ok(false);
        }
        Sqlite::open(self.options.clone().at(path)).await?.close().await;
        Ok(true)
    }

    async fn delete(&self, name: &TenantName) -> Result<bool> {
        let path = self.path(name);
        let gone = tokio::task::spawn_blocking(move || {
            // The log first: without its file it would be read into the next of that name.
            for ending in ["-wal", "-shm"] {
                let mut beside = path.clone().into_os_string();
                beside.push(ending);
                let _ = fs::remove_file(beside);
            }
            fs::remove_file(path)
        });
        match gone.await.map_err(io::Error::other).flatten() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::new(ErrorKind::Io, format!("the tenant's file cannot be deleted: {error}"))),
        }
    }

    async fn list(&self) -> Result<Vec<String>> {
        let found = match fs::read_dir(&self.dir) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::new(ErrorKind::Io, error.to_string())),
        };
        let names = found.flatten().filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            TenantName::new(name.strip_suffix(".db")?).ok().map(|name| name.as_str().to_owned())
        });
        Ok(names.collect())
    }

    async fn open(&self, name: &TenantName) -> Result<Arc<dyn Adapter>> {
        let path = self.path(name);
        if !path.exists() {
            return Err(no_such(name));
        }
        Ok(Arc::new(Sqlite::open(self.options.clone().at(path)).await?))
    }
}
