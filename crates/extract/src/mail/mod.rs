//! Mail: messages, mailboxes and Outlook messages, with their attachments extracted by their
//! formats.

mod message;
#[cfg(feature = "office")]
mod outlook;
mod parts;
mod text;

pub(crate) use message::{Mail, Mailbox};
#[cfg(feature = "office")]
pub(crate) use outlook::Outlook;
