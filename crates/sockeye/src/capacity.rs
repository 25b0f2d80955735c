//! How many connections there is room for (manual, "Maximum number of connections").

use crate::log::note;
use std::io;

/// Descriptors kept back from the connection limit, for what the process opens later.
const SPARE_DESCRIPTORS: u64 = 16;

/// The most connections, from the descriptor limit less what is in use. The limit in force is
/// raised as far as the system allows, unless there is room for those asked for already.
pub(crate) fn connection_limit(wish: Option<usize>) -> io::Result<usize> {
    let used = sockeye_sys::open_descriptors().unwrap_or(SPARE_DESCRIPTORS);
    let (mut limit, _) = sockeye_sys::descriptor_limits()?;
    if wish.is_none_or(|wish| wish > room(limit, used)) {
        limit = sockeye_sys::raise_descriptor_limit().unwrap_or(limit);
    }
    let room = room(limit, used);
    note!(DEBUG, "room for {room} connections: {limit} descriptors, {used} of them in use");
    if let Some(wish) = wish.filter(|&wish| wish > room) {
        note!(WARN, "{wish} connections asked for, the descriptor limit leaves {room}");
    }
    Ok(wish.unwrap_or(room).min(room))
}

/// What a descriptor limit leaves for connections: one at least, and what slots can be numbered.
fn room(limit: u64, used: u64) -> usize {
    let room = limit.saturating_sub(used).saturating_sub(SPARE_DESCRIPTORS).max(1);
    usize::try_from(room).unwrap_or(usize::MAX).min(u32::MAX as usize / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_what_the_limit_leaves() {
        assert_eq!(room(1024, 8), 1000);
        assert_eq!(room(64, 8), 40);
        assert_eq!(room(20, 8), 1, "a context without room for one would be of no use");
        assert_eq!(room(0, 0), 1);
        assert_eq!(room(u64::MAX, 8), u32::MAX as usize / 2, "no limit at all");
    }
}
