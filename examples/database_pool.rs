//! A connection pool as a resource: callbacks still use it, then it is closed.
//!
//! `cargo run --example database_pool`, `curl -X POST localhost:8080/visits`, then Ctrl-C: the callback writes its last
//! row, and then the pool is closed. Resources are released after all callbacks, the last registered first.

use std::env;

use actix_web::{App, HttpResponse, error::ErrorInternalServerError, web};
use graceful_exit::{GracefulExit, JobError, Server};
use sqlx::{SqlitePool, query, query_scalar};

async fn visit(pool: web::Data<SqlitePool>) -> actix_web::Result<HttpResponse> {
    query("INSERT INTO visits DEFAULT VALUES").execute(&**pool).await.map_err(ErrorInternalServerError)?;
    let count: i64 = query_scalar("SELECT count(*) FROM visits")
        .fetch_one(&**pool)
        .await
        .map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().body(format!("visit {count}\n")))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let pool = SqlitePool::connect("sqlite:visits.db?mode=rwc").await?;
    query("CREATE TABLE IF NOT EXISTS visits (id INTEGER PRIMARY KEY)").execute(&pool).await?;
    query("CREATE TABLE IF NOT EXISTS exits (visits INTEGER)").execute(&pool).await?;

    let [for_server, for_callback] = [pool.clone(), pool.clone()];
    let server = Server::new("web", move || {
        App::new().app_data(web::Data::new(for_server.clone())).route("/visits", web::post().to(visit))
    });
    let count = move |_| async move {
        let count = "INSERT INTO exits SELECT count(*) FROM visits";
        query(count).execute(&for_callback).await?;
        println!("counted");
        Ok::<_, JobError>(())
    };
    let close = move |_| async move {
        pool.close().await;
        println!("the pool is closed");
        Ok(())
    };
    GracefulExit::builder()
        .server(server.bind(address))
        .callback_fn("count-visits", count)
        .resource_fn("database", close)
        .run()
        .await?
        .exit()
}
