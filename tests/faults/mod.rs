//! Fault injection: with each fault the process is gone in time, with the right exit code and report, and the flush
//! has kept its promise.
//!
//! A row runs the real binary with the fault, or a service around the library ([`child`]) where the binary cannot
//! produce it. It checks that the process is gone by the deadline + 0.5 s, or 0.2 s after the second signal (extended
//! on a busy machine, see [`Watch`](crate::support::Watch)), the exit code, the report (an exit by the hard stop writes none) and,
//! where there were writes to flush, that each was flushed or reported as lost.
//!
//! `GRACEFUL_EXIT_LONG=1` runs the rows marked ∞ in full length; by default they are short.
//! `GRACEFUL_EXIT_SEED=…` repeats a random row with the seed that it printed. A row that the machine does not allow is
//! skipped with a line on standard error. Linux only: the rows need `/proc`, namespaces and small tmpfs disks.
//!
//! | fault | test | checked |
//! |---|---|---|
//! | **Start** | | |
//! | a settings file, a standard input or a log that blocks; a name server or a store that does not answer; an application's factory that hangs | `start_up::blocked`, `programs::factory` | 0 at the first signal, 1 at the second, at once |
//! | a factory that panics, alone and beside one that hangs | `programs::factory::a_factory_that_panics_is_an_error_that_names_its_server` | an error that names the server; nothing left behind |
//! | **Threads** | | |
//! | HTTP workers blocked in a synchronous sleep | `deadline::it_passes_whatever_hangs`, `deadline::a_blocked_worker_does_not_keep_the_rest_of_the_exit_from_happening`, `deadline::a_second_signal_ends_it_with_every_worker_blocked` | in time, 1 or 3, abandoned requests named, flushed |
//! | the system's own thread blocked | [`threads::the_systems_own_thread_is_blocked`] | the drain is answered, 0 with a report, the hard stop ends it 250 ms after the end |
//! | the supervisor's thread blocked | [`threads::the_supervisors_thread_is_blocked`], [`threads::a_second_signal_while_the_supervisors_thread_is_blocked`] | not before the deadline, 1, the hard stop's line, no report |
//! | a minutes-long `web::block` | [`threads::minutes_of_web_block`] | 3, named as abandoned |
//! | a callback that blocks its thread | [`threads::a_callback_blocks_its_thread`] | 3, timed out, the other callback done |
//! | stopped (SIGSTOP) in the drain, and continued | [`threads::a_process_that_is_stopped_for_a_while_goes_on_with_its_drain`], [`threads::a_process_that_is_stopped_beyond_its_deadline_ends_as_soon_as_it_runs_again`] | 0 and answered; or 1, 0.5 s after SIGCONT |
//! | no memory to be had: the allocator hangs | [`threads::the_allocator_hangs`] | deadline and second signal, by the hard stop |
//! | **Actors** | | |
//! | panics, fails, never answers, blocks, stops, has stopped, lives on a stopped arbiter: all at once | [`actors::every_way_to_fail_at_once`]; each alone in `actors::tests::callbacks` | 3, each outcome and error, the resource after them released |
//! | answers twice | a handler returns one answer, by its type; an answer that comes too late changes nothing: `actors::tests::callbacks::each_callback_has_its_own_bound_and_is_told_when_it_is_over` | |
//! | 10,000 callbacks | [`actors::ten_thousand_callbacks`], `actors::tests::crowd` | 0, each done |
//! | a handler panics with requests in flight | [`actors::a_handler_panics_during_the_drain`], `drain::in_flight::a_panic_in_a_handler_releases_its_request_and_no_other` | the others answered, the drain not held |
//! | the supervisor panics | [`actors::the_supervisor_panics`] | 1 by the hard stop, its line, no report |
//! | **Log** | | |
//! | standard output and error closed | [`log::standard_output_and_error_are_closed`] | in all: 0, report, flushed, the log file whole |
//! | `/dev/full` | [`log::standard_error_is_a_full_device`] | |
//! | a full pipe without a reader | [`log::standard_error_is_a_full_pipe_without_a_reader`], [`log::a_second_signal_with_a_full_pipe`] | second signal + 0.2 s |
//! | the reader left (`head -1`) | [`log::the_reader_of_standard_error_leaves`] | |
//! | the terminal went away | [`log::the_terminal_goes_away`] | |
//! | the log file's disk full | [`log::the_disk_of_the_log_file_is_full`] | standard error says so |
//! | dropped lines are counted and reported | `logging::tests` | |
//! | the log's flush hangs or panics | [`threads::the_logs_flush_hangs_or_panics`] | the outcome's code and report stand, 250 ms |
//! | **Signals** | | |
//! | at every millisecond of the start-up ∞ | [`signals::at_every_millisecond_of_the_start_up`], `signals::a_signal_at_any_instant_of_the_start_up_ends_it_in_order` | 0, or by the signal with nothing begun; nothing left behind |
//! | 1,000 random signals ∞ | [`signals::a_thousand_random_signals_at_random_instants`] | 1, forced |
//! | two a millisecond apart | [`signals::two_a_millisecond_apart_are_one_request`] | 0 |
//! | SIGTERM blocked or ignored by the parent | `signals::a_parent_that_blocked_a_signal_changes_nothing`, `signals::hup_int_and_quit_stay_ignored_where_they_were_inherited_as_ignored_and_nothing_else_does` | 0 |
//! | `nohup` | [`signals::under_nohup_only_hup_is_ignored`] | 0 by SIGTERM, flushed |
//! | PID 1 in a namespace | [`signals::the_first_process_of_a_namespace`] | 0 flushed; 1 at the second |
//! | real SIGSEGV, SIGILL, SIGTRAP, SIGABRT, SIGSYS | `os::signals::tests::real_faults_and_the_own_abort_still_end_the_process_by_their_signal_with_a_core` | by the signal, with a core |
//! | **Clients** | | |
//! | never sends a byte | [`clients::one_that_never_sends_a_byte`] | in all: in time, report, flushed; here 0, not reset |
//! | half a head | [`clients::one_that_sends_half_a_head`] | 0 |
//! | a body that stops half-way | [`clients::one_whose_body_stops_half_way`] | 3, named, not stored |
//! | reads 8 MB at a byte a second | [`clients::one_that_reads_a_byte_a_second_of_eight_megabytes`]; a slow but steady reader: `drain::in_flight::a_slow_reader_gets_all_of_eight_megabytes` | 3, named |
//! | closes its writing side and waits | [`clients::one_that_closes_its_writing_side_and_waits`] | 0, answered |
//! | 10,000 idle connections ∞ | [`clients::ten_thousand_idle_connections`] | 0, none reset |
//! | pipelined at the signal | [`clients::pipelined_requests_at_the_moment_of_the_signal`] | every answer whole, none reset |
//! | **Machine** | | |
//! | 32 file descriptors left, and 64 clients | [`machine::thirty_two_descriptors_left`] | 0, report, flushed |
//! | no space for store, spool and report | [`machine::no_space_for_store_spool_and_report`] | 3, the loss counted, no half report, the next start works |
//! | no space for the spool alone | [`machine::no_space_for_the_spool`] | 0, straight to the store |
//! | a folder became read-only | [`machine::a_folder_that_became_read_only`] | 3, the loss counted |
//! | the clock a day back and forth | [`machine::the_clock_is_set_a_day_back_and_forth_during_the_drain`] | the deadline and the durations as if nothing had happened |
//! | memory pressure in a control group | [`machine::memory_pressure`] | 0, answered, flushed |
//! | **Limits** | | |
//! | `pids.max` reached | [`limits::no_thread_is_left`] | 0, flushed whole |
//! | every descriptor taken by clients of the admin server, by its event streams, by clients of the business server, of both | [`limits::every_descriptor_is_taken_by_clients`] | 0, flushed whole |
//! | `RLIMIT_FSIZE` below spool and store; below the store alone; below log and report | [`limits::files_may_not_be_as_large_as_the_spool_and_the_store`], [`limits::files_may_not_be_as_large_as_the_store_alone`], [`limits::files_may_not_be_as_large_as_the_log_and_the_report`] | `EFBIG` and no SIGXFSZ: 3 with the loss counted; 3, spooled, brought in once; 0, standard error says so |
//! | `RLIMIT_FSIZE` below the report, or its disk full, with an earlier report at its path; the same where it is mounted | [`limits::a_report_that_is_larger_than_files_may_be_leaves_the_one_before`], [`limits::a_report_for_a_full_disk_leaves_the_one_before`], [`limits::a_report_that_does_not_fit_into_a_mounted_file_leaves_what_was_in_it`] | 0, the log says so, the earlier report is whole |
//! | `RLIMIT_AS`, a control group's memory, with 60 MB to flush | [`limits::no_address_space_is_left_for_60_megabytes`], [`limits::no_memory_is_left_for_60_megabytes`] | 0, flushed whole |
//! | 1 % of a processor | [`limits::a_hundredth_of_a_processor`] | in time, flushed whole or spooled |
//! | a start with no file size, with 8 and 30 descriptors, with 1 to 13 threads | [`limits::a_start_at_a_limit_is_4_with_one_message_and_no_panic`] | 4, one message, no panic |
//! | a start in an address space of 50 to 600 MiB | [`limits::a_start_in_an_address_space_of_any_size_is_4_with_one_message_or_serves`] | 4, one message; or it serves, 0, flushed whole |
//! | 112 workers a server and 1,024 descriptors | [`limits::a_machine_of_112_processors_starts_with_1024_descriptors`] | starts; 0, flushed |
//! | **Paths** | | |
//! | report and log on a device, a symbolic link, a file mounted into a read-only folder | [`paths::a_device_stays_one`], [`paths::a_symbolic_link_is_followed_and_stays_one`], [`paths::a_file_that_is_mounted_into_a_read_only_folder_is_written_in_place`] | 0, written, and it stays what it is |
//! | **Kernel** | | |
//! | no option by which a listening socket turns connections away: unknown, forbidden, pretended ∞ | [`kernel::no_request_is_lost_where_the_kernel_does_not_help_to_close_a_listening_socket`] | 0, no request lost of which the kernel took a byte: busy, held, on a long wire, new connections |
//! | **Kills** | | |
//! | SIGKILL 100 ms after the signal, with 10,000 writes | [`kills::ten_thousand_writes_are_safe_a_tenth_of_a_second_after_the_signal`] | none lost |
//! | SIGKILL at 300 random instants from the checkpoint on, with a request that hangs, writes in flight and a locked store ∞ | [`kills::at_random_instants_from_the_checkpoint_on`] | no acknowledged write lost, each brought in exactly once |
//! | `docker stop`, supervisord, PM2 by their defaults | [`kills::by_programs_that_kill_before_the_plan_is_over`] | killed, none lost, brought in once |
//! | **Store** | | |
//! | locked for longer than the callback's timeout | [`store::it_is_locked_for_longer_than_the_callbacks_timeout`], `cache::a_store_that_is_locked_is_3_and_the_next_start_has_the_writes` | 3, spooled, brought in once |
//! | it cannot be read | [`store::reads_that_fail_fill_no_log`] | a line each 10 s |
//! | its file deleted | [`store::its_file_is_deleted`] | 3, spooled, brought in |
//! | its disk full in the transaction | [`store::its_disk_is_full_in_the_middle_of_the_transaction`] | 3, all or none stored, brought in once |
//! | SIGKILL at 200 random instants from the rename on, and from the signal on ∞ | [`store::killed_at_random_instants_of_the_flush`] | each acknowledged write whole in spool or store, brought in exactly once; no half spool, no journal |
//! | **Input** | | |
//! | settings | `settings::tests::no_file_makes_it_panic`, `no_pair_makes_it_panic`, `no_variable_makes_it_panic` | |
//! | both servers' requests, good, odd and broken ∞ | [`input::no_request_is_answered_by_a_500_or_kills_a_worker`] | no 5xx, no panic, every worker answers after |
//! | tokens wrong, empty, long, repeated | [`input::no_wrong_token_starts_the_exit_however_often_it_is_tried`], `admin::with_a_token_the_token_alone_decides` | 401; the comparison's constant time is `subtle`'s promise, and not measured |
//! | another origin, a spoofed `Forwarded` | `admin::without_a_token_only_this_machine_may_shut_down`, the binary's `admin::access::tests` | 403 |
//! | **Soak** | | |
//! | 500 exits under load, a random fault each ∞ | [`soak::exits_one_after_another`] | in time, code, report, each acknowledged write, no file, port or process left |

mod actors;
mod allocator;
mod child;
mod clients;
mod group;
mod input;
mod kernel;
mod kills;
mod limits;
mod log;
mod machine;
mod paths;
mod signals;
mod soak;
mod stage;
mod store;
mod system;
mod threads;
