//! Opening what cannot be opened: each error names the path and says what to change.

use std::{fs, path::Path};

use buntime_database::{
    Adapter, ErrorKind, args,
    sqlite::{Options, Sqlite},
};
use tempfile::TempDir;

async fn refused(path: &Path) -> (ErrorKind, String) {
    let error = Sqlite::open(Options::file(path)).await.unwrap_err();
    assert!(error.detail().contains(&path.display().to_string()), "{error}");
    (error.kind(), error.detail().to_owned())
}

#[tokio::test]
async fn directories_are_made() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a/b/c.db");
    let db = Sqlite::open(Options::file(&path)).await.unwrap();
    assert_eq!(db.location(), path.display().to_string());
    db.execute("CREATE TABLE t (x INTEGER)", args![]).await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn below_a_regular_file() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "text").unwrap();
    for below in ["x.db", "deep/er/x.db"] {
        let (kind, detail) = refused(&file.join(below)).await;
        assert_eq!(kind, ErrorKind::Open);
        assert!(detail.contains(&format!("{} is a regular file", file.display())), "{detail}");
    }
}

#[tokio::test]
async fn a_directory() {
    let dir = TempDir::new().unwrap();
    let (kind, detail) = refused(dir.path()).await;
    assert!(kind == ErrorKind::Open && detail.contains("it is a directory; name a file"), "{detail}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn where_nothing_can_be_made() {
    let (kind, detail) = refused(Path::new("/proc/nothing/x.db")).await;
    assert!(kind == ErrorKind::Open && detail.contains("/proc/nothing cannot be made"), "{detail}");
}

#[tokio::test]
async fn not_a_database() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.db");
    fs::write(&path, "this is a text of more than a hundred bytes, ".repeat(100)).unwrap();
    let (kind, detail) = refused(&path).await;
    assert!(kind == ErrorKind::Corrupt && detail.contains("it is not a SQLite database"), "{detail}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("this is"), "left as it was");
}

#[tokio::test]
async fn damaged() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.db");
    let db = Sqlite::open(Options::file(&path)).await.unwrap();
    db.execute("CREATE TABLE t (x TEXT)", args![]).await.unwrap();
    db.execute("INSERT INTO t SELECT hex(randomblob(2000)) FROM (VALUES (1), (2), (3), (4))", args![]).await.unwrap();
    db.close().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..].fill(0xAA);
    fs::write(&path, bytes).unwrap();
    let kind = match Sqlite::open(Options::file(&path)).await {
        Ok(db) => db.query("SELECT * FROM t", args![]).await.unwrap_err().kind(),
        Err(error) => error.kind(),
    };
    assert_eq!(kind, ErrorKind::Corrupt);
}
