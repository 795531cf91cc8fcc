//! The admin server's token, from the settings or from its file.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::model::Admin;
use super::texts::Token;
use crate::locale::Language;

/// A file is not read beyond this.
const LARGEST: u64 = 64 << 10;

impl Admin {
    /// The token: the one that is set, or the first line of `admin.token_file`. Reading the file may block.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: the file cannot be read, or holds no token.
    pub fn read_token(&self) -> Result<Option<String>, TokenError> {
        match &self.token_file {
            None => Ok(self.token.clone()),
            Some(path) => {
                let text =
                    read(path).map_err(|error| TokenError { path: path.clone(), error: Some(error) })?;
                let token = text.lines().next().unwrap_or_default().trim();
                if Token::fits(token) {
                    Ok(Some(token.to_owned()))
                } else {
                    Err(TokenError { path: path.clone(), error: None })
                }
            }
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Why the token's file cannot be used. Nothing of what is in the file is shown.
#[derive(Debug)]
pub struct TokenError {
    path: PathBuf,
    /// None if it holds no token.
    error: Option<io::Error>,
}

impl TokenError {
    /// The error in one line.
    pub fn message(&self, language: Language) -> String {
        let path = self.path.display();
        match &self.error {
            Some(error) => language.token_unreadable(&path, &language.cause(error)),
            None => language.token_missing(&path, Token::LEAST),
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::En))
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.as_ref().map(|error| error as &(dyn Error + 'static))
    }
}
