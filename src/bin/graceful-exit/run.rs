//! `graceful-exit run`: both servers until it is asked to stop.

use std::{mem::ManuallyDrop, path::PathBuf, pin::pin, process::ExitCode, thread, time::Duration};

use actix_web::{
    App,
    rt::{System, SystemRunner, time::timeout},
};
#[cfg(unix)]
use graceful_exit::os::systemd::Systemd;
use graceful_exit::{
    GracefulExit, Language, Server, StartGuard,
    admin::Admin,
    logging::{self, Logging},
    os,
    settings::{self, Loaded, Settings, TokenError},
};
use tokio::sync::oneshot;

use crate::{
    business::{
        self, Business,
        cache::{Cache, Limits, OpenError, Options},
    },
    exit,
    inherited::Inherited,
    locale::say,
    output::{exit_code, fail},
    progress::Progress,
    servers::{configured, exposed, tls},
    start_error,
};

/// How long an output of the log may take for the message of a start that failed.
const ERROR_FLUSH: Duration = Duration::from_secs(5);

/// How long the opening of the store goes on when a signal comes meanwhile, so that nothing is left half done. A
/// file takes milliseconds; a database server that does not answer is not worth more.
const FINISH_OPENING: Duration = Duration::from_millis(400);

/// How many descriptors tokio's first runtime takes (two for signals and three for its poll), and some more.
#[cfg(unix)]
const RUNTIME_DESCRIPTORS: usize = 8;

/// The address space of a thread: its stack, and what it allocates at its start.
#[cfg(unix)]
const THREAD: usize = (2 << 20) + (256 << 10);

/// How many threads there are beside the workers, at the most.
#[cfg(unix)]
const OTHER_THREADS: usize = 10;

/// The address space of what is allocated while the application starts.
#[cfg(unix)]
const START_ALLOCATIONS: usize = 16 << 20;

/// Starts, serves, exits.
pub(crate) fn main(loaded: Loaded, guard: ManuallyDrop<StartGuard>) -> ExitCode {
    let adopt = |exit: GracefulExit| exit.exits_at_once().start_guard(ManuallyDrop::into_inner(guard));
    os::hard_stop::exit(run(loaded, adopt))
}

/// As [`main`], but returns the exit code; the process has to end soon after. `adopt` may change the exit before it
/// catches signals.
pub(crate) fn run(loaded: Loaded, adopt: impl FnOnce(GracefulExit) -> GracefulExit) -> u8 {
    let Loaded { settings, files, unused, .. } = loaded;
    let language = settings.log.language();
    // Before any thread reads the environment, since it takes variables out of it.
    let inherited = match Inherited::from_environment() {
        Ok(inherited) => inherited,
        Err(error) => return give_up(&start_error::of_inherited(&error, language)),
    };
    #[cfg(unix)]
    {
        let needed = address_space(&settings);
        if let Err(error) = os::limits::has_address_space(needed) {
            return give_up(&start_error::of_the_address_space(needed, &error, language));
        }
    }
    let progress = Progress::on_terminal();
    let options = logging::Options {
        // This module logs unknown parameters of the store's URL with their values, which may be secret.
        muted: vec!["sqlx_postgres::options".to_owned()],
        ..logging::Options::from(&settings.log)
    };
    let started = match &progress {
        Some(progress) => logging::start_through(&options, progress.above()),
        None => logging::start(&options),
    };
    let logging = match started {
        Ok(logging) => logging,
        Err(error) => return give_up(&start_error::of_the_log(&error, language)),
    };
    tell_start(&files, language);
    for warning in unused.iter().map(|unused| unused.message(language)).chain(exposed(&settings)) {
        log::warn!(event = "settings_warning"; "{warning}");
    }
    // Panics go into the log: the default hook writes to standard error itself, and can hang there.
    logging::log_panics();
    let mut exit = adopt(exit::configured(&settings, language, &logging, progress.clone()));
    if let Err(error) = exit.arm() {
        return give_up(&start_error::message(&error, language));
    }
    #[cfg(unix)]
    match Systemd::from_environment() {
        Ok(Some(systemd)) => exit = exit.systemd(systemd),
        Ok(None) => {}
        Err(error) => return give_up(&start_error::of_systemd(&error, language)),
    }
    let system = match system(language) {
        Ok(system) => system,
        Err(error) => return give_up(&error),
    };
    if let Some(progress) = progress.filter(|_| !settings.shutdown.progress_interval.is_zero()) {
        let handle = exit.handle();
        system.block_on(async move { progress.follow(handle, language) });
    }
    let code = system.block_on(serve(settings, language, logging.clone(), inherited, exit));
    logging.flush(ERROR_FLUSH);
    code
}

/// The event loop. Never dropped: that would wait for blocked threads, such as one that asks a name server.
///
/// # Errors
/// What is to be said, when the process has no descriptors for it: without this look, it would panic.
#[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "it can fail on Unix"))]
pub(crate) fn system(language: Language) -> Result<ManuallyDrop<SystemRunner>, String> {
    #[cfg(unix)]
    if let Err(error) = os::limits::has_descriptors(RUNTIME_DESCRIPTORS) {
        return Err(start_error::of_the_runtime(&error, language));
    }
    #[cfg(not(unix))]
    let _ = language;
    Ok(ManuallyDrop::new(System::new()))
}

/// The address space that the application needs to start.
#[cfg(unix)]
fn address_space(settings: &Settings) -> usize {
    use std::num::NonZero;

    let servers = [&settings.servers.admin, &settings.servers.business];
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let workers = servers.map(|server| server.workers.map_or_else(cores, NonZero::get));
    let threads = workers.iter().fold(OTHER_THREADS, |sum, workers| sum.saturating_add(*workers));
    threads.saturating_mul(THREAD).saturating_add(START_ALLOCATIONS)
}

/// The log's first line: which program this is, and what it was started with.
fn tell_start(files: &[PathBuf], language: Language) {
    let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let settings = if files.is_empty() {
        say!(language, en: "the defaults", zh: "默认值", zh_hant: "預設值")
    } else {
        files.join(", ")
    };
    log::info!(event = "process_started", version, pid, settings = settings.as_str();
        "graceful-exit {version}, pid {pid}, {}", say!(language,
            en: "settings: {settings}",
            zh: "设置：{settings}",
            zh_hant: "設定：{settings}",
        )
    );
}

/// Before there is a log: on standard error.
fn give_up(error: &dyn std::fmt::Display) -> u8 {
    fail(exit_code::START, error);
    exit_code::START
}

async fn serve(
    settings: Settings,
    language: Language,
    logging: Logging,
    mut inherited: Inherited,
    exit: GracefulExit,
) -> u8 {
    let handle = exit.handle();
    let tls = |server| tls(server, language);
    let (admin_tls, business_tls) = match (tls(&settings.servers.admin), tls(&settings.servers.business)) {
        (Ok(admin), Ok(business)) => (admin, business),
        (Err(error), _) | (_, Err(error)) => return complain(&error.message(language)),
    };
    let mut opening = pin!(open(&settings, language));
    let opened = tokio::select! {
        biased;
        _ = handle.requested() => {
            // A store that is dropped in the middle of a transaction leaves its journal behind.
            return match timeout(FINISH_OPENING, opening).await {
                Ok(Ok(cache)) => {
                    cache.close().await;
                    0
                }
                Ok(Err(error)) => complain(&error.message(language)),
                Err(_) => 0,
            };
        }
        opened = &mut opening => opened,
    };
    let cache = match opened {
        Ok(cache) => cache,
        Err(error) => return complain(&error.message(language)),
    };
    let token = tokio::select! {
        biased;
        _ = handle.requested() => {
            cache.close().await;
            return 0;
        }
        token = read_token(settings.admin.clone(), language) => token,
    };
    let token = match token {
        Ok(token) => token,
        Err(error) => {
            cache.close().await;
            return complain(&error);
        }
    };
    business::jobs::keep_flushed(cache.clone(), settings.cache.flush_interval, language);
    let jobs = business::jobs::start(&cache, &settings, language);

    let dropped = move || logging.dropped();
    let mut admin = Admin::new(&exit).stop(settings.servers.admin.stop).counter(
        "graceful_exit_log_lines_dropped",
        "Log lines that no output took.",
        dropped,
    );
    admin = admin.token_for_reads(settings.admin.token_for_reads).max_streams(settings.admin.max_streams);
    admin = admin.language(language);
    if let Some(token) = token {
        admin = admin.token(token);
    }
    let admin = configured(admin.unbound_server(), &settings.servers.admin, &mut inherited, admin_tls);
    let business = Business { cache, exit: handle, chaos: settings.demo.chaos };
    let business = Server::new("business", move || {
        App::new().wrap(Business::headers()).configure(|config| business.configure(config))
    });
    let business = configured(business, &settings.servers.business, &mut inherited, business_tls);

    let exit = jobs.into_iter().fold(exit.server(admin).server(business), GracefulExit::job);
    match exit.run().await {
        Ok(report) => report.exit_code,
        Err(error) => complain(&start_error::message(&error, language)),
    }
}

/// Reads the token, in case of a file on a thread of its own: it may block. The error is what is to be said.
async fn read_token(admin: settings::Admin, language: Language) -> Result<Option<String>, String> {
    let said = move |error: TokenError| error.message(language);
    if admin.token_file.is_none() {
        return admin.read_token().map_err(said);
    }
    let (done, token) = oneshot::channel();
    let read = move || done.send(admin.read_token());
    match thread::Builder::new().spawn(read) {
        Ok(_) => match token.await {
            Ok(token) => token.map_err(said),
            Err(_) => Err(say!(language,
                en: "the thread that reads admin.token_file has ended",
                zh: "读取 admin.token_file 的线程已结束",
                zh_hant: "讀取 admin.token_file 的執行緒已結束",
            )),
        },
        Err(error) => Err(say!(language,
            en: "the thread that reads admin.token_file cannot be started: {error}",
            zh: "无法启动读取 admin.token_file 的线程：{error}",
            zh_hant: "無法啟動讀取 admin.token_file 的執行緒：{error}",
        )),
    }
}

async fn open(settings: &Settings, language: Language) -> Result<Cache, OpenError> {
    let spool = &settings.cache.spool;
    let (cache, recovered) = Cache::open(Options {
        store: &settings.cache.store,
        spool,
        limits: Limits {
            entries: settings.cache.max_dirty,
            bytes: usize::try_from(settings.cache.max_dirty_bytes).unwrap_or(usize::MAX),
        },
        flush_delay: settings.demo.flush_delay,
    })
    .await?;
    business::jobs::tell_recovered(recovered, spool, language);
    Ok(cache)
}

/// Logs why the application cannot start; prints it if the log's level leaves errors out.
fn complain(error: &dyn std::fmt::Display) -> u8 {
    if log::log_enabled!(log::Level::Error) {
        log::error!(event = "start_failed", exit_code = exit_code::START; "{error}");
    } else {
        let _ = fail(exit_code::START, error);
    }
    exit_code::START
}
