//! Users and groups: looking them up, and becoming another for good.

use std::ffi::{CStr, CString};
use std::io;

use nix::unistd::{Gid, Group, Uid, User};

use crate::error::context;

/// A user to become, with its groups, as the system's data base has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    name: String,
    uid: u32,
    gid: u32,
    /// The supplementary groups that it will have.
    groups: Vec<u32>,
}

impl Identity {
    /// Looks up a user by name, or by number, and its groups. With `group`, the name or number of
    /// one, that is its first group instead of the one the data base gives.
    ///
    /// # Errors
    ///
    /// `NotFound`, naming what is unknown; a number without an entry needs a `group`.
    pub fn look_up(user: &str, group: Option<&str>) -> io::Result<Self> {
        let group = group.map(group_id).transpose()?;
        let Some(entry) = user_entry(user)? else {
            let uid = user.parse().map_err(|_| unknown("user", user))?;
            let Some(gid) = group else {
                let why = format!("user {uid} has no entry that tells its group: name one");
                return Err(io::Error::new(io::ErrorKind::NotFound, why));
            };
            return Ok(Self { name: user.to_owned(), uid, gid, groups: vec![gid] });
        };
        let gid = group.unwrap_or(entry.gid.as_raw());
        let name = CString::new(entry.name.clone()).map_err(|_| unknown("user", user))?;
        let groups = groups_of(&name, gid)
            .map_err(|errno| context(format_args!("groups of user {user}"), errno.into()))?;
        Ok(Self { name: entry.name, uid: entry.uid.as_raw(), gid, groups })
    }

    /// The number of the user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The number of its first group.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Makes the process, with all its threads, this user's for good: first the supplementary
    /// groups, then the group, then the user, each as real, effective and saved; then makes sure
    /// that none of what it was can be had again. A process that is this user's already stays as
    /// it is.
    ///
    /// # Errors
    ///
    /// With the user's name in the text. `PermissionDenied` if the process has not the rights of
    /// root to begin with. After any error it may be somebody in between, and should end.
    pub fn assume(&self) -> io::Result<()> {
        self.change().map_err(|error| context(format_args!("become user {}", self.name), error))
    }
}

/// The number of a user by its name, or of a number itself.
///
/// # Errors
///
/// `NotFound`, with the name.
pub fn user_id(name: &str) -> io::Result<u32> {
    match user_entry(name)? {
        Some(entry) => Ok(entry.uid.as_raw()),
        None => name.parse().map_err(|_| unknown("user", name)),
    }
}

/// The number of a group by its name, or of a number itself.
///
/// # Errors
///
/// `NotFound`, with the name.
pub fn group_id(name: &str) -> io::Result<u32> {
    match Group::from_name(name).map_err(|errno| look_up("group", name, errno))? {
        Some(entry) => Ok(entry.gid.as_raw()),
        None => name.parse().map_err(|_| unknown("group", name)),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn groups_of(user: &CStr, first: u32) -> nix::Result<Vec<u32>> {
    let groups = nix::unistd::getgrouplist(user, Gid::from_raw(first))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

#[cfg(target_vendor = "apple")]
fn groups_of(_: &CStr, first: u32) -> nix::Result<Vec<u32>> {
    Ok(vec![first])
}

fn user_entry(name: &str) -> io::Result<Option<User>> {
    let by_name = User::from_name(name).map_err(|errno| look_up("user", name, errno))?;
    match name.parse() {
        Ok(uid) if by_name.is_none() => {
            User::from_uid(Uid::from_raw(uid)).map_err(|errno| look_up("user", name, errno))
        }
        Ok(_) | Err(_) => Ok(by_name),
    }
}

fn look_up(kind: &str, name: &str, errno: nix::Error) -> io::Error {
    context(format_args!("look up {kind} {name:?}"), errno.into())
}

fn unknown(kind: &str, name: &str) -> io::Error {
    let why = format!("this system knows no {kind} {name:?}");
    io::Error::new(io::ErrorKind::NotFound, why)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
mod change {
    use super::{Gid, Identity, Uid};
    use nix::unistd::{getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};
    use std::io;

    impl Identity {
        pub(super) fn change(&self) -> io::Result<()> {
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            let before = (getresuid()?, getresgid()?);
            if self.is_assumed()? {
                return Ok(());
            }
            if !before.0.effective.is_root() {
                let why = "only root can; start as root, or as that user";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
            setgroups(&groups)?;
            setresgid(gid, gid, gid)?;
            setresuid(uid, uid, uid)?;
            self.verify(before.0.effective, before.1.effective)
        }

        /// Whether there is nothing to change. Who is not root cannot choose its groups.
        fn is_assumed(&self) -> io::Result<bool> {
            let (uids, gids) = (getresuid()?, getresgid()?);
            let same_user =
                [uids.real, uids.effective, uids.saved].iter().all(|uid| uid.as_raw() == self.uid);
            let same_group =
                [gids.real, gids.effective, gids.saved].iter().all(|gid| gid.as_raw() == self.gid);
            Ok(same_user && same_group && self.uid != 0)
        }

        fn verify(&self, old_user: Uid, old_group: Gid) -> io::Result<()> {
            if self.uid == 0 {
                return Ok(()); // root stays root
            }
            let mut groups: Vec<u32> = getgroups()?.into_iter().map(Gid::as_raw).collect();
            let mut wanted = self.groups.clone();
            for list in [&mut groups, &mut wanted] {
                list.sort_unstable();
                list.dedup();
            }
            if !self.is_assumed()? || groups != wanted {
                return Err(io::Error::other("the system has not done what it said"));
            }
            let (keep_user, keep_group) = (Uid::from_raw(u32::MAX), Gid::from_raw(u32::MAX));
            let regained = [
                setresuid(old_user, old_user, old_user).is_ok(),
                setresuid(keep_user, old_user, keep_user).is_ok(),
                old_group.as_raw() != self.gid
                    && setresgid(keep_group, old_group, keep_group).is_ok(),
                setgroups(&[old_group]).is_ok(),
            ];
            if regained.contains(&true) {
                let why = "the process could be what it was again: it has capabilities that stay";
                return Err(io::Error::other(why));
            }
            Ok(())
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
impl Identity {
    fn change(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
