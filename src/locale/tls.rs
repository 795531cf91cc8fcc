//! Certificates and their keys: what makes them unusable, and what happens when their files change.

use std::fmt::Display;

use super::sentences::{fixed_sentences, sentences};

fixed_sentences! {
    /// What a certificate's file is called.
    pub certificate { en: "certificate", zh: "证书", zh_hant: "憑證" }

    /// What a key's file is called.
    pub private_key { en: "private key", zh: "私钥", zh_hant: "私密金鑰" }
}

sentences! {
    /// A file cannot be read.
    pub pem_unreadable(what: &str, path: &dyn Display, error: &dyn Display) {
        en: "{what} {path} cannot be read: {error}",
        zh: "无法读取{what} {path}：{error}",
        zh_hant: "無法讀取{what} {path}：{error}",
    }

    /// A FIFO, a device or a directory.
    pub pem_not_regular(what: &str, path: &dyn Display) {
        en: "{what} {path} is not a regular file",
        zh: "{what} {path} 不是普通文件",
        zh_hant: "{what} {path} 不是一般檔案",
    }

    /// Longer than any certificate.
    pub pem_too_large(what: &str, path: &dyn Display) {
        en: "{what} {path} is larger than 1 MiB",
        zh: "{what} {path} 大于 1 MiB",
        zh_hant: "{what} {path} 大於 1 MiB",
    }

    /// It is damaged.
    pub pem_malformed(what: &str, path: &dyn Display) {
        en: "{what} {path} is not a valid PEM file",
        zh: "{what} {path} 不是有效的 PEM 文件",
        zh_hant: "{what} {path} 不是有效的 PEM 檔案",
    }

    /// It holds something else, or nothing.
    pub pem_missing(what: &str, path: &dyn Display) {
        en: "{what} {path} holds no {what} in PEM form",
        zh: "{what} {path} 中没有 PEM 格式的{what}",
        zh_hant: "{what} {path} 中沒有 PEM 格式的{what}",
    }

    /// A key that needs a passphrase.
    pub key_encrypted(path: &dyn Display) {
        en: "private key {path} is encrypted: a key without a passphrase is needed",
        zh: "私钥 {path} 已加密：需要没有口令的私钥",
        zh_hant: "私密金鑰 {path} 已加密：需要沒有密碼的私密金鑰",
    }

    /// The key of another certificate.
    pub key_mismatch(path: &dyn Display, certificate: &dyn Display) {
        en: "private key {path} is not the key of the certificate {certificate}",
        zh: "私钥 {path} 与证书 {certificate} 不匹配",
        zh_hant: "私密金鑰 {path} 與憑證 {certificate} 不相符",
    }

    /// The TLS library refuses it.
    pub pem_unusable(what: &str, path: &dyn Display, error: &dyn Display) {
        en: "{what} {path} cannot be used: {error}",
        zh: "{what} {path} 无法使用：{error}",
        zh_hant: "{what} {path} 無法使用：{error}",
    }

    /// The files have changed, and the new ones are in use.
    pub certificate_read_again(path: &dyn Display) {
        en: "certificate {path} was read again",
        zh: "已重新读取证书 {path}",
        zh_hant: "已重新讀取憑證 {path}",
    }

    /// The files have changed, and the new ones cannot be used.
    pub certificate_kept(error: &str) {
        en: "the earlier certificate stays in use: {error}",
        zh: "继续使用之前的证书：{error}",
        zh_hant: "繼續使用先前的憑證：{error}",
    }
}
