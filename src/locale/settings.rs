//! What is wrong with settings, what each takes, and where they come from.

use std::fmt::Display;

use super::sentences::{fixed_sentences, sentences};

sentences! {
    pub(crate) settings_unreadable(path: &dyn Display, error: &dyn Display) {
        en: "the settings file {path} cannot be read: {error}",
        zh: "设置文件 {path} 无法读取：{error}",
        zh_hant: "設定檔 {path} 無法讀取：{error}",
    }

    pub(crate) token_unreadable(path: &dyn Display, error: &dyn Display) {
        en: "the token file {path} (admin.token_file) cannot be read: {error}",
        zh: "令牌文件 {path}（admin.token_file）无法读取：{error}",
        zh_hant: "權杖檔案 {path}（admin.token_file）無法讀取：{error}",
    }

    pub(crate) token_missing(path: &dyn Display, least: usize) {
        en: "the token file {path} (admin.token_file) holds no token in its first line: at least {least} visible ASCII characters without spaces",
        zh: "令牌文件 {path}（admin.token_file）的第一行不是令牌：至少 {least} 个可见的 ASCII 字符，不含空格",
        zh_hant: "權杖檔案 {path}（admin.token_file）的第一行不是權杖：至少 {least} 個可見的 ASCII 字元，不含空格",
    }

    pub(crate) settings_too_large(path: &dyn Display) {
        en: "the settings file {path} cannot be read: it is larger than 1 MiB",
        zh: "设置文件 {path} 无法读取：超过 1 MiB",
        zh_hant: "設定檔 {path} 無法讀取：超過 1 MiB",
    }

    pub(crate) settings_malformed(source: &str, reason: &str) {
        en: "{source}: not TOML: {reason}",
        zh: "{source}：不是 TOML：{reason}",
        zh_hant: "{source}：不是 TOML：{reason}",
    }

    pub(crate) settings_unknown(key: &dyn Display, value: &str, source: &str, hint: &str) {
        en: "{key} = {value} ({source}): unknown key; {hint}",
        zh: "{key} = {value}（{source}）：未知的键；{hint}",
        zh_hant: "{key} = {value}（{source}）：未知的鍵；{hint}",
    }

    pub(crate) settings_refused(key: &str, value: &str, source: &str, allowed: &str) {
        en: "{key} = {value} ({source}): refused; allowed: {allowed}",
        zh: "{key} = {value}（{source}）：不可用；允许：{allowed}",
        zh_hant: "{key} = {value}（{source}）：不可用；允許：{allowed}",
    }

    pub(crate) settings_refused_why(key: &str, value: &str, source: &str, why: &str, allowed: &str) {
        en: "{key} = {value} ({source}): refused: {why}; allowed: {allowed}",
        zh: "{key} = {value}（{source}）：不可用：{why}；允许：{allowed}",
        zh_hant: "{key} = {value}（{source}）：不可用：{why}；允許：{allowed}",
    }

    pub(crate) settings_not_a_pair(key: &dyn Display) {
        en: "--set {key}: no `=`; allowed: KEY=VALUE, such as shutdown.timeout=8s",
        zh: "--set {key}：缺少 `=`；允许：KEY=VALUE，例如 shutdown.timeout=8s",
        zh_hant: "--set {key}：缺少 `=`；允許：KEY=VALUE，例如 shutdown.timeout=8s",
    }

    pub(crate) settings_not_unicode(variable: &dyn Display) {
        en: "the variable {variable}: not Unicode; allowed: text in UTF-8",
        zh: "环境变量 {variable}：不是 Unicode；允许：UTF-8 文本",
        zh_hant: "環境變數 {variable}：不是 Unicode；允許：UTF-8 文字",
    }

    pub(crate) settings_needs(key: &str) {
        en: "{key} is not set",
        zh: "未设置 {key}",
        zh_hant: "未設定 {key}",
    }

    pub(crate) settings_excludes(key: &str) {
        en: "{key} is set too",
        zh: "同时设置了 {key}",
        zh_hant: "同時設定了 {key}",
    }

    pub(crate) settings_unix_socket(key: &str) {
        en: "{key} has a Unix socket, which would be served without TLS",
        zh: "{key} 中有 Unix 套接字，它不会使用 TLS",
        zh_hant: "{key} 中有 Unix 通訊端，它不會使用 TLS",
    }

    pub(crate) settings_same_file(key: &str) {
        en: "{key} names the same file",
        zh: "{key} 指的是同一个文件",
        zh_hant: "{key} 指的是同一個檔案",
    }

    pub(crate) settings_misspelled_signal(given: &str, meant: &str) {
        en: "{given} is no signal that is known; did you mean {meant}?",
        zh: "{given} 不是已知的信号；是否指 {meant}？",
        zh_hant: "{given} 不是已知的訊號；是否指 {meant}？",
    }

    pub(crate) settings_unknown_signal(given: &str) {
        en: "{given} is no signal that is known",
        zh: "{given} 不是已知的信号",
        zh_hant: "{given} 不是已知的訊號",
    }

    pub(crate) settings_uncatchable_signal(given: &str) {
        en: "{given}: no process can catch it",
        zh: "{given}：任何进程都无法捕获",
        zh_hant: "{given}：任何行程都無法捕捉",
    }

    pub(crate) settings_fault_signal(given: &str) {
        en: "{given}: it reports a fault, after which the process cannot go on",
        zh: "{given}：它表示程序故障，之后进程无法继续",
        zh_hant: "{given}：它表示程式故障，之後行程無法繼續",
    }

    pub(crate) settings_is_section(keys: &str) {
        en: "it is a section; allowed: {keys}",
        zh: "这是一个节；允许：{keys}",
        zh_hant: "這是一個區段；允許：{keys}",
    }

    pub(crate) settings_meant(key: &str) {
        en: "did you mean {key}?",
        zh: "是否指 {key}？",
        zh_hant: "是否指 {key}？",
    }

    pub(crate) settings_keys(keys: &str) {
        en: "allowed: {keys}",
        zh: "允许：{keys}",
        zh_hant: "允許：{keys}",
    }

    pub(crate) settings_sections(sections: &str) {
        en: "allowed: keys of {sections}",
        zh: "允许以下各节的键：{sections}",
        zh_hant: "允許以下各區段的鍵：{sections}",
    }

    pub(crate) settings_line(path: &dyn Display, line: usize) {
        en: "{path}, line {line}",
        zh: "{path}，第 {line} 行",
        zh_hant: "{path}，第 {line} 行",
    }

    pub(crate) settings_variable(name: &dyn Display) {
        en: "the variable {name}",
        zh: "环境变量 {name}",
        zh_hant: "環境變數 {name}",
    }

    pub(crate) settings_unused_variable(name: &dyn Display) {
        en: "the variable {name} sets nothing: it names no key",
        zh: "环境变量 {name} 不起作用：没有对应的键",
        zh_hant: "環境變數 {name} 不起作用：沒有對應的鍵",
    }

    pub(crate) settings_unused_variable_meant(name: &dyn Display, meant: &str) {
        en: "the variable {name} sets nothing: it names no key; did you mean {meant}?",
        zh: "环境变量 {name} 不起作用：没有对应的键；是否指 {meant}？",
        zh_hant: "環境變數 {name} 不起作用：沒有對應的鍵；是否指 {meant}？",
    }

    pub(crate) settings_duration(least: &str, most: &str) {
        en: "a duration from {least} to {most}, such as \"300ms\", \"5s\" or \"1m\"",
        zh: "{least} 至 {most} 的时长，例如 \"300ms\"、\"5s\" 或 \"1m\"",
        zh_hant: "{least} 至 {most} 的時長，例如 \"300ms\"、\"5s\" 或 \"1m\"",
    }

    pub(crate) settings_interval(least: &str, most: &str) {
        en: "\"0s\" for never, or a duration from {least} to {most}, such as \"300ms\", \"5s\" or \"1m\"",
        zh: "\"0s\" 表示从不，或 {least} 至 {most} 的时长，例如 \"300ms\"、\"5s\" 或 \"1m\"",
        zh_hant: "\"0s\" 表示從不，或 {least} 至 {most} 的時長，例如 \"300ms\"、\"5s\" 或 \"1m\"",
    }

    pub(crate) settings_integer(least: &dyn Display, most: &dyn Display) {
        en: "a whole number from {least} to {most}",
        zh: "{least} 至 {most} 的整数",
        zh_hant: "{least} 至 {most} 的整數",
    }

    pub(crate) settings_token(least: usize) {
        en: "at least {least} visible ASCII characters without spaces, or \"\" for none",
        zh: "至少 {least} 个可见的 ASCII 字符，不含空格；或以 \"\" 表示没有",
        zh_hant: "至少 {least} 個可見的 ASCII 字元，不含空格；或以 \"\" 表示沒有",
    }

    pub(crate) settings_workers(most: i64) {
        en: "\"cores\", or a whole number from 1 to {most}",
        zh: "\"cores\"，或 1 至 {most} 的整数",
        zh_hant: "\"cores\"，或 1 至 {most} 的整數",
    }

    pub(crate) settings_signals(names: &str) {
        en: "a list with at least one of {names}",
        zh: "至少包含以下之一的列表：{names}",
        zh_hant: "至少包含以下之一的清單：{names}",
    }
}

fixed_sentences! {
    pub(crate) settings_default { en: "default", zh: "默认值", zh_hant: "預設值" }

    pub(crate) settings_own_file {
        en: "a file of its own",
        zh: "独立的文件",
        zh_hant: "獨立的檔案",
    }

    pub(crate) settings_unclosed_quote {
        en: "the quote that it begins with is not closed, or something follows",
        zh: "开头的引号没有闭合，或其后还有内容",
        zh_hant: "開頭的引號沒有閉合，或其後還有內容",
    }

    pub(crate) settings_quoted {
        en: "TOML text in quotes, or text that begins without one",
        zh: "带引号的 TOML 文本，或不以引号开头的文本",
        zh_hant: "帶引號的 TOML 文字，或不以引號開頭的文字",
    }

    pub(crate) settings_no_native_signal {
        en: "it holds no signal of this platform, and nothing could start the exit",
        zh: "其中没有本平台的信号，将无法启动退出",
        zh_hant: "其中沒有本平台的訊號，將無法開始關閉",
    }

    pub(crate) settings_flag { en: "true or false", zh: "true 或 false", zh_hant: "true 或 false" }

    pub(crate) settings_text { en: "text", zh: "文本", zh_hant: "文字" }

    pub(crate) settings_path { en: "a path", zh: "路径", zh_hant: "路徑" }

    pub(crate) settings_optional_path {
        en: "a path, or \"\" for none",
        zh: "路径，或以 \"\" 表示没有",
        zh_hant: "路徑，或以 \"\" 表示沒有",
    }

    pub(crate) settings_store {
        en: "an address that begins with \"sqlite:\", \"postgres:\" or \"postgresql:\"",
        zh: "以 \"sqlite:\"、\"postgres:\" 或 \"postgresql:\" 开头的地址",
        zh_hant: "以 \"sqlite:\"、\"postgres:\" 或 \"postgresql:\" 開頭的位址",
    }

    pub(crate) settings_addresses {
        en: "an address with a port, such as \"127.0.0.1:8080\", \"[::1]:8080\" or \"localhost:8080\", or \"unix:/path\", or a list of them",
        zh: "带端口的地址，例如 \"127.0.0.1:8080\"、\"[::1]:8080\" 或 \"localhost:8080\"，或 \"unix:/path\"，或其列表",
        zh_hant: "帶連接埠的位址，例如 \"127.0.0.1:8080\"、\"[::1]:8080\" 或 \"localhost:8080\"，或 \"unix:/path\"，或其清單",
    }

    pub(crate) settings_mode {
        en: "three or four octal digits, such as \"0660\"",
        zh: "三位或四位八进制数字，例如 \"0660\"",
        zh_hant: "三位或四位八進位數字，例如 \"0660\"",
    }

    pub(crate) settings_size {
        en: "a size from 1 byte to 1024 GiB, such as 1000000, \"512KiB\" or \"64MiB\"",
        zh: "1 字节至 1024 GiB 的大小，例如 1000000、\"512KiB\" 或 \"64MiB\"",
        zh_hant: "1 位元組至 1024 GiB 的大小，例如 1000000、\"512KiB\" 或 \"64MiB\"",
    }

    pub(crate) settings_both_files {
        en: "both files, or neither",
        zh: "两个文件都设置，或都不设置",
        zh_hant: "兩個檔案都設定，或都不設定",
    }

    pub(crate) settings_one_token {
        en: "one of both",
        zh: "两者之一",
        zh_hant: "兩者之一",
    }

    pub(crate) settings_tls_on_tcp {
        en: "TLS where all addresses are those of TCP",
        zh: "所有地址都是 TCP 地址时才使用 TLS",
        zh_hant: "所有位址都是 TCP 位址時才使用 TLS",
    }

    pub(crate) settings_token_for_reads {
        en: "true with admin.token or admin.token_file, or false",
        zh: "设置了 admin.token 或 admin.token_file 时为 true，否则为 false",
        zh_hant: "設定了 admin.token 或 admin.token_file 時為 true，否則為 false",
    }
}
