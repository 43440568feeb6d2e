//! Tenants: databases of their own.

use buntime_database::{ErrorKind, TenantName, Tenants, args};

/// Runs the case of tenants; at most two are open at once.
pub(crate) async fn tenants(tenants: Tenants) {
    let tenants = tenants.with_most_open(2);
    let name = |name: &str| TenantName::new(name).unwrap();
    let before = tenants.list().await.unwrap();
    assert_eq!(tenants.open(&name("acme-1")).await.unwrap_err().kind(), ErrorKind::NoTenant);
    for tenant in ["acme-1", "b_2", "3c"] {
        assert!(tenants.create(&name(tenant)).await.unwrap());
        assert!(!tenants.create(&name(tenant)).await.unwrap(), "it is there");
        let db = tenants.open(&name(tenant)).await.unwrap();
        db.execute("CREATE TABLE t (who TEXT)", args![]).await.unwrap();
        db.execute("INSERT INTO t VALUES (?1)", args![tenant]).await.unwrap();
    }
    let pushed_out = tenants.open(&name("acme-1")).await.unwrap();
    // One of them was closed, and is opened again.
    for tenant in ["acme-1", "b_2", "3c"] {
        let db = tenants.open(&name(tenant)).await.unwrap();
        assert_eq!(db.query("SELECT who FROM t", args![]).await.unwrap().into_values(), [args![tenant]]);
    }
    assert_eq!(tenants.list().await.unwrap().len(), before.len() + 3);
    let held = tenants.open(&name("3c")).await.unwrap();
    assert!(tenants.delete(&name("3c")).await.unwrap());
    assert!(!tenants.delete(&name("3c")).await.unwrap());
    assert_eq!(held.query("SELECT 1", args![]).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(tenants.open(&name("3c")).await.unwrap_err().kind(), ErrorKind::NoTenant);
    assert!(tenants.create(&name("3c")).await.unwrap());
    let empty = tenants.open(&name("3c")).await.unwrap();
    assert_eq!(empty.query("SELECT who FROM t", args![]).await.unwrap_err().kind(), ErrorKind::Syntax);
    // What others have pushed out, and somebody uses still, is of the tenant that was deleted, too.
    pushed_out.query("SELECT who FROM t", args![]).await.unwrap();
    assert!(tenants.delete(&name("acme-1")).await.unwrap() && tenants.create(&name("acme-1")).await.unwrap());
    assert_eq!(pushed_out.query("SELECT who FROM t", args![]).await.unwrap_err().kind(), ErrorKind::Closed);
    tenants.close().await;
    assert_eq!(tenants.open(&name("b_2")).await.unwrap_err().kind(), ErrorKind::Closed);
}
