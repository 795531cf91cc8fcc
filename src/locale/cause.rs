//! The causes of errors that are not the system's own words.

use std::io;

use super::Language;
use crate::os::refusal::Refusal;

impl Language {
    /// What an error says: in this language where it is this crate's, as the system says it where it is the system's.
    #[must_use]
    pub fn cause(self, error: &io::Error) -> String {
        let refusal = error.get_ref().and_then(|inside| inside.downcast_ref::<Refusal>());
        refusal.map_or_else(|| error.to_string(), |refusal| self.refusal(*refusal).to_owned())
    }

    const fn refusal(self, refusal: Refusal) -> &'static str {
        let (zh, zh_hant) = match refusal {
            Refusal::NoSocket => ("那里已有文件，但不是套接字", "那裡已有檔案，但不是通訊端"),
            Refusal::SocketInUse => ("已有进程在监听", "已有行程在監聽"),
            Refusal::SocketTaken => ("另一个进程刚刚绑定了它", "另一個行程剛剛繫結了它"),
            Refusal::UnknownSocket => {
                ("既不是 TCP 套接字，也不是 Unix 套接字", "既不是 TCP 通訊端，也不是 Unix 通訊端")
            }
            Refusal::NoAddress => ("该名称没有对应的地址", "該名稱沒有對應的位址"),
            Refusal::NowhereToListen => ("没有指定地址", "沒有指定位址"),
            Refusal::NotRegular => ("它不是普通文件", "它不是一般檔案"),
            Refusal::Folder => ("这是一个文件夹的路径", "這是一個資料夾的路徑"),
            Refusal::Replaced => ("另一个文件取代了它", "另一個檔案取代了它"),
            Refusal::Moved => ("其文件在使用中被移动或删除", "其檔案在使用中被移動或刪除"),
            Refusal::NoReader => ("没有进程读取该管道", "沒有行程讀取該管道"),
            Refusal::ForeignLink => ("它是其他用户创建的符号链接", "它是其他使用者建立的符號連結"),
            Refusal::TooManyLinks => ("符号链接层数过多", "符號連結層數過多"),
        };
        match self {
            Self::En => refusal.text(),
            Self::Zh => zh,
            Self::ZhHant => zh_hant,
        }
    }
}
