//! The texts of `--help`, in each language.

use clap::{Arg, ArgAction, Command, CommandFactory};
use graceful_exit::Language;

/// A text in English, 简体 and 繁體.
struct Text(&'static str, &'static str, &'static str);

impl Text {
    fn of(&self, language: Language) -> &'static str {
        match language {
            Language::En => self.0,
            Language::Zh => self.1,
            Language::ZhHant => self.2,
        }
    }
}

const ABOUT: Text = Text(
    "Two HTTP servers, admin and business, that stop without losing an answer or a cached write.",
    "两个 HTTP 服务器（admin 和 business），停止时不丢失任何应答或缓存写入。",
    "兩個 HTTP 伺服器（admin 和 business），停止時不遺失任何應答或快取寫入。",
);

const AFTER: Text = Text(
    "\
Servers:
  business  http://127.0.0.1:8080  the application's own routes (servers.business.bind)
  admin     http://127.0.0.1:8081  page, probes, metrics, POST /shutdown (servers.admin.bind)

Settings, where each layer wins over the one before:
  the defaults (graceful-exit config default), -c FILE, GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=8s, -s KEY=VALUE

Exit codes:
  0  clean: everything in flight was answered, everything was finished
  1  forced by a second signal, or shutdown.timeout passed
  2  the command line or the settings are wrong; nothing was started
  3  the exit ran to its end, but something was abandoned or failed
  4  the start failed; `status` and `stop`: nothing answers

Examples:
  graceful-exit -c settings.toml -s shutdown.timeout=8s
  graceful-exit stop --wait",
    "\
服务器：
  business  http://127.0.0.1:8080  应用本身（servers.business.bind）
  admin     http://127.0.0.1:8081  页面、探针、指标、POST /shutdown（servers.admin.bind）

设置，后一层优先于前一层：
  默认值（graceful-exit config default）、-c FILE、GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=8s、-s KEY=VALUE

退出码：
  0  正常：进行中的请求都已应答，所有工作都已完成
  1  被第二个信号强制结束，或超过 shutdown.timeout
  2  命令行或设置有误；没有启动任何东西
  3  退出流程走完，但有工作被放弃或失败
  4  启动失败；`status` 和 `stop`：没有应答

示例：
  graceful-exit -c settings.toml -s shutdown.timeout=8s
  graceful-exit stop --wait",
    "\
伺服器：
  business  http://127.0.0.1:8080  應用程式本身（servers.business.bind）
  admin     http://127.0.0.1:8081  頁面、探針、指標、POST /shutdown（servers.admin.bind）

設定，後一層優先於前一層：
  預設值（graceful-exit config default）、-c FILE、GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=8s、-s KEY=VALUE

結束碼：
  0  正常：進行中的請求都已應答，所有工作都已完成
  1  被第二個訊號強制結束，或超過 shutdown.timeout
  2  命令列或設定有誤；沒有啟動任何東西
  3  關閉流程走完，但有工作被放棄或失敗
  4  啟動失敗；`status` 和 `stop`：沒有應答

範例：
  graceful-exit -c settings.toml -s shutdown.timeout=8s
  graceful-exit stop --wait",
);

/// Each command's text, by its name.
const COMMANDS: &[(&str, Text)] = &[
    (
        "run",
        Text(
            "Run both servers until asked to stop (the default)",
            "运行两个服务器，直到被要求停止（默认）",
            "執行兩個伺服器，直到被要求停止（預設）",
        ),
    ),
    (
        "service",
        Text(
            "Run both servers as a Windows service, which the service manager starts and stops",
            "作为 Windows 服务运行两个服务器，由服务管理器启动和停止",
            "作為 Windows 服務執行兩個伺服器，由服務管理員啟動和停止",
        ),
    ),
    (
        "plan",
        Text(
            "Start nothing: check the settings, and print the shutdown that they lead to",
            "不启动：检查设置，并打印由此得出的关闭计划",
            "不啟動：檢查設定，並列印由此得出的關閉計畫",
        ),
    ),
    (
        "report",
        Text(
            "Print a report file for a person",
            "以便于阅读的形式打印报告文件",
            "以便於閱讀的形式列印報告檔案",
        ),
    ),
    ("config", Text("Print or check the settings", "打印或检查设置", "列印或檢查設定")),
    (
        "show",
        Text(
            "Print every key with its value and where it comes from; secrets are hidden",
            "打印每个键的值及其来源；隐藏机密",
            "列印每個鍵的值及其來源；隱藏機密",
        ),
    ),
    (
        "check",
        Text(
            "Print everything that is wrong; exit code 2 if anything is",
            "打印所有错误；有错误时退出码为 2",
            "列印所有錯誤；有錯誤時結束碼為 2",
        ),
    ),
    (
        "default",
        Text(
            "Print the default settings file, which documents every key",
            "打印默认设置文件，其中有每个键的说明",
            "列印預設設定檔，其中有每個鍵的說明",
        ),
    ),
    (
        "status",
        Text(
            "Print the state of the running application; exit code 0 when it serves, 3 when it is exiting, 4 when nothing answers",
            "打印运行中的应用的状态；退出码：服务中为 0，正在退出为 3，没有应答为 4",
            "列印執行中的應用程式的狀態；結束碼：服務中為 0，正在關閉為 3，沒有應答為 4",
        ),
    ),
    (
        "stop",
        Text("Start the running application's exit", "启动运行中的应用的退出", "讓執行中的應用程式開始關閉"),
    ),
    ("completions", Text("Print shell completions", "打印 shell 补全脚本", "列印 shell 補全腳本")),
];

/// Each argument's text, by its identifier, which is the same in every command.
const ARGUMENTS: &[(&str, Text)] = &[
    (
        "config",
        Text(
            "Apply FILE over the defaults; may be repeated, later ones win",
            "以 FILE 覆盖默认值；可重复，后者优先",
            "以 FILE 覆蓋預設值；可重複，後者優先",
        ),
    ),
    (
        "set",
        Text(
            "Set one key, as in shutdown.timeout=8s; may be repeated, later ones win; wins over files and environment",
            "设置一个键，例如 shutdown.timeout=8s；可重复，后者优先；优先于文件和环境变量",
            "設定一個鍵，例如 shutdown.timeout=8s；可重複，後者優先；優先於檔案和環境變數",
        ),
    ),
    ("format", Text("The output format", "打印格式", "列印格式")),
    (
        "grace_period",
        Text(
            "How long the platform waits before it kills: Kubernetes' terminationGracePeriodSeconds",
            "平台在强制结束之前等待多久：Kubernetes 的 terminationGracePeriodSeconds",
            "平台在強制結束之前等待多久：Kubernetes 的 terminationGracePeriodSeconds",
        ),
    ),
    (
        "pre_stop",
        Text(
            "How long a preStop hook takes: it counts against the grace period, before the first signal is sent",
            "preStop 钩子用时多久：在第一个信号之前计入宽限期",
            "preStop 鉤子用時多久：在第一個訊號之前計入寬限期",
        ),
    ),
    (
        "file",
        Text(
            "The file that report.path named; - is standard input",
            "report.path 所指的文件；- 为标准输入",
            "report.path 所指的檔案；- 為標準輸入",
        ),
    ),
    (
        "svg",
        Text("Also draw its timeline to the file OUT", "另将其时间线绘制到 OUT", "另將其時間線繪製到 OUT"),
    ),
    (
        "url",
        Text(
            "The admin server, http://HOST:PORT or unix:/path, in place of servers.admin.bind",
            "管理服务器：http://HOST:PORT 或 unix:/path，代替 servers.admin.bind",
            "管理伺服器：http://HOST:PORT 或 unix:/path，代替 servers.admin.bind",
        ),
    ),
    (
        "wait",
        Text(
            "Follow the exit, and end with the application's own exit code",
            "跟踪退出过程，并以该应用的退出码结束",
            "追蹤關閉過程，並以該應用程式的結束碼結束",
        ),
    ),
    ("shell", Text("The shell", "shell 名称", "shell 名稱")),
    ("help", Text("Print help", "打印帮助", "列印說明")),
    ("version", Text("Print the version", "打印版本", "列印版本")),
];

/// The command line with its texts in a language.
pub(super) fn command<C: CommandFactory>(language: Language) -> Command {
    let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
    let command = C::command().disable_version_flag(true).arg(version);
    let command = command.about(ABOUT.of(language)).after_help(AFTER.of(language));
    localized(command, language)
}

fn localized(command: Command, language: Language) -> Command {
    let name = command.get_name().to_owned();
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    let mut command = command.disable_help_flag(true).disable_help_subcommand(true).arg(help);
    if let Some(text) = text(COMMANDS, &name) {
        command = command.about(text.of(language));
    }
    if language != Language::En {
        command = command.subcommand_help_heading(COMMANDS_HEADING.of(language)).help_template(TEMPLATE);
    }
    let ids: Vec<_> = command.get_arguments().map(|argument| argument.get_id().clone()).collect();
    for id in ids {
        let Some(text) = text(ARGUMENTS, id.as_str()) else { continue };
        command = command.mut_arg(id, |argument| described(argument, text.of(language), language));
    }
    let subcommands: Vec<_> =
        command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for subcommand in subcommands {
        command = command.mut_subcommand(subcommand, |command| localized(command, language));
    }
    command
}

/// What clap writes by itself is English: in another language the values stand in the text.
fn described(argument: Arg, text: &str, language: Language) -> Arg {
    if language == Language::En {
        return argument.help(text.to_owned());
    }
    // A flag has possible values for clap, and takes none.
    let values =
        if argument.get_action().takes_values() { argument.get_possible_values() } else { Vec::new() };
    let values: Vec<_> = values.iter().map(|value| value.get_name().to_owned()).collect();
    let values = if values.is_empty() { String::new() } else { format!("（{}）", values.join("、")) };
    let heading = if argument.is_positional() { ARGUMENTS_HEADING } else { OPTIONS_HEADING };
    let lists_values = !values.is_empty();
    let argument = argument.help(format!("{text}{values}")).help_heading(heading.of(language));
    if lists_values { argument.hide_possible_values(true) } else { argument }
}

const COMMANDS_HEADING: Text = Text("Commands", "命令", "命令");
const OPTIONS_HEADING: Text = Text("Options", "选项", "選項");
const ARGUMENTS_HEADING: Text = Text("Arguments", "参数", "參數");
const TEMPLATE: &str = "{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}";

fn text(texts: &'static [(&str, Text)], name: &str) -> Option<&'static Text> {
    texts.iter().find(|(known, _)| *known == name).map(|(_, text)| text)
}
