//! Certificates of the application: what cannot be used ends the start with one message, and what changes is noticed.

use std::{fs, path::Path, process::Output};

use crate::support::{App, Certificate, Client, bare, folder, output, stop, wait_until};

/// Starts the application with these files, which it refuses.
fn refused(language: &str, certificate: &Path, key: &Path) -> Output {
    let folder = folder();
    let mut command = bare(folder.path());
    command.args(["-s", "servers.admin.bind=127.0.0.1:0", "-s", "servers.business.bind=127.0.0.1:0"]);
    command.args(["-s", &format!("log.language={language}")]);
    for (name, path) in [("certificate", certificate), ("key", key)] {
        command.args(["-s", &format!("servers.business.tls.{name}={}", path.display())]);
    }
    output(command)
}

#[test]
fn what_cannot_be_used_is_one_message_with_its_path_in_the_language_of_the_log() {
    let (ours, other) = (Certificate::new(&["localhost"]), Certificate::new(&["localhost"]));
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("it is written");
        path
    };
    let (certificate, key) = (ours.certificate(), ours.key());
    let empty = file("empty.pem", b"");
    let huge = file("huge.pem", &vec![b'\n'; (1 << 20) + 1]);
    let encrypted = file(
        "encrypted.pem",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let missing = directory.path().join("missing.pem");
    for (certificate, key, named, en, zh) in [
        (&missing, &key, &missing, "certificate ", "无法读取证书 "),
        (&certificate, &missing, &missing, "private key ", "无法读取私钥 "),
        (&empty, &key, &empty, "holds no certificate in PEM form", "中没有 PEM 格式的证书"),
        (&certificate, &empty, &empty, "holds no private key in PEM form", "中没有 PEM 格式的私钥"),
        (&certificate, &encrypted, &encrypted, "is encrypted", "已加密"),
        (&certificate, &other.key(), &other.key(), "is not the key of the certificate", "不匹配"),
        (&huge, &key, &huge, "is larger than 1 MiB", "大于 1 MiB"),
        (
            &certificate,
            &directory.path().to_owned(),
            &directory.path().to_owned(),
            // Windows does not open a directory.
            if cfg!(windows) { "cannot be read" } else { "is not a regular file" },
            if cfg!(windows) { "无法读取私钥 " } else { "不是普通文件" },
        ),
    ] {
        for (language, said) in [("en", en), ("zh", zh)] {
            let got = refused(language, certificate, key);
            let text = String::from_utf8_lossy(&got.stderr).into_owned();
            assert_eq!(got.status.code(), Some(4), "{text}");
            let named = named.display().to_string();
            let lines: Vec<_> = text.lines().filter(|line| line.contains(&named)).collect();
            assert!(matches!(lines[..], [line] if line.contains(said)), "{said}: {text}");
        }
    }
}

/// Its other end is never opened: whatever reads it would wait for that without end.
#[cfg(unix)]
#[test]
fn a_certificate_in_a_fifo_is_refused_and_blocks_nothing() {
    let ours = Certificate::new(&["localhost"]);
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs");
    assert!(made.success());
    for (certificate, key) in [(&fifo, &ours.key()), (&ours.certificate(), &fifo)] {
        let got = refused("en", certificate, key);
        let text = String::from_utf8_lossy(&got.stderr).into_owned();
        assert_eq!(got.status.code(), Some(4), "{text}");
        assert!(text.contains(&format!("{} is not a regular file", fifo.display())), "{text}");
    }
}

#[test]
fn a_renewed_certificate_is_used_and_a_bad_one_is_told_of_once_and_not_used() {
    let mut certificate = Certificate::new(&["localhost"]);
    let [tls, key] = certificate.settings("business");
    let app = App::start(&[&tls, &key]);
    let shown = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(crate::tls::service::shown_certificate(app.business)).expect("a handshake")
    };
    assert_eq!(shown(), certificate.der);
    certificate.renew();
    assert_eq!(shown(), certificate.der);
    app.wait_for("was read again");

    let good = fs::read(certificate.certificate()).expect("it is read");
    fs::write(certificate.certificate(), "broken").expect("it is written");
    for _ in 0..3 {
        assert_eq!(shown(), certificate.der);
    }
    app.wait_for("the earlier certificate stays in use: certificate ");
    fs::write(certificate.certificate(), good).expect("it is written");
    assert_eq!(shown(), certificate.der);
    wait_until("it is read again", || app.log_text().matches("was read again").count() == 2);
    assert_eq!(app.log_text().matches("stays in use").count(), 1, "{}", app.log_text());
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
    assert_eq!(stop(app).code(), Some(0));
}
