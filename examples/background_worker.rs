//! A service with a background worker: at the exit, the consumer of a queue finishes its current job and takes no other.
//!
//! `cargo run --example background_worker`, a few times `curl -X POST localhost:8080/jobs`, then Ctrl-C: the current job
//! is finished, the others stay in the queue, and the process ends with 0. A real queue is persistent; this one only
//! prints how many jobs are left.

use std::{collections::VecDeque, env, time::Duration};

use actix::prelude::*;
use actix_web::{App, HttpResponse, web};
use graceful_exit::{FinishWork, GracefulExit, Job, JobError, Server, StartError};
use tokio::sync::oneshot;

/// Runs one job of the queue after another.
#[derive(Default)]
struct Consumer {
    queue: VecDeque<u64>,
    given: u64,
    working: bool,
    /// Set once the exit asks to finish: it is notified after the current job, and no other job starts.
    finish: Option<oneshot::Sender<()>>,
}

impl Actor for Consumer {
    type Context = Context<Self>;
}

/// Adds a job to the queue, and returns its number.
#[derive(Message)]
#[rtype(u64)]
struct Enqueue;

impl Handler<Enqueue> for Consumer {
    type Result = u64;

    fn handle(&mut self, _: Enqueue, ctx: &mut Self::Context) -> u64 {
        self.given += 1;
        self.queue.push_back(self.given);
        self.take_next(ctx);
        self.given
    }
}

impl Handler<FinishWork> for Consumer {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, FinishWork(context): FinishWork, _: &mut Self::Context) -> Self::Result {
        let (finish, finished) = oneshot::channel();
        if self.working {
            self.finish = Some(finish);
        } else {
            // No job is running; the receiver below exists still.
            let _ = finish.send(());
        }
        let left = self.queue.len();
        Box::pin(async move {
            println!("taking no more work, {left} jobs stay in the queue");
            tokio::select! {
                done = finished => Ok(done?),
                // The drain timeout has passed: stop the job here if it can be stopped.
                () = context.cancelled() => Err(JobError::new("the last job took too long")),
            }
        })
    }
}

impl Consumer {
    fn take_next(&mut self, ctx: &mut Context<Self>) {
        if self.working || self.finish.is_some() {
            return;
        }
        let Some(job) = self.queue.pop_front() else { return };
        self.working = true;
        println!("job {job} is begun");
        ctx.run_later(Duration::from_secs(1), move |consumer, ctx| {
            println!("job {job} is done");
            consumer.working = false;
            match consumer.finish.take() {
                // After the drain timeout the receiver is gone.
                Some(finish) => drop(finish.send(())),
                None => consumer.take_next(ctx),
            }
        });
    }
}

#[actix_web::main]
async fn main() -> Result<(), StartError> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let consumer = Consumer::default().start();
    let worker = Job::worker("consumer", consumer.clone().recipient());

    let server = Server::new("web", move || {
        let consumer = consumer.clone();
        let enqueue = move || {
            let consumer = consumer.clone();
            async move {
                match consumer.send(Enqueue).await {
                    Ok(job) => HttpResponse::Accepted().body(format!("job {job}\n")),
                    Err(_) => HttpResponse::ServiceUnavailable().finish(),
                }
            }
        };
        App::new().route("/jobs", web::post().to(enqueue))
    });

    let report = GracefulExit::builder().server(server.bind(address)).job(worker).run().await?;
    report.exit()
}
