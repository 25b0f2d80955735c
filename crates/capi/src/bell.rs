//! What other threads and signal handlers may ask for.
//!
//! `libwebsocket_callback_on_writable_all_protocol` may be called from anywhere, a signal handler
//! included: it takes no lock and allocates nothing. A bell is the address range of a context's
//! protocol array, a bit per protocol, and what wakes the context's loop.

use crate::call;
use crate::context::Ctx;
use crate::ids::{Purpose, Shared, Use, WSIS_MAX};
use crate::level::Protocols;
use crate::panic::export;
use crate::wsi::Kind;
use std::ffi::{c_int, c_void};
use std::mem;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// The most protocols of a context.
pub(crate) const PROTOCOLS_MAX: usize = 256;
/// The most contexts at a time that ring.
const BELLS: usize = 256;
const BITS: usize = u32::BITS as usize;

struct Bell {
    /// The array's address; 0: this bell is nobody's.
    array: AtomicUsize,
    count: AtomicUsize,
    /// Bytes of an entry, which are more or fewer by level.
    entry_size: AtomicUsize,
    /// The context's handle.
    context: AtomicUsize,
    asked: [AtomicU32; PROTOCOLS_MAX / BITS],
    waker: AtomicPtr<sockeye::Handle>,
    /// How many are looking at `waker` just now: it is not freed before they have gone.
    readers: AtomicUsize,
}

static TOWER: [Bell; BELLS] = [const {
    Bell {
        array: AtomicUsize::new(0),
        count: AtomicUsize::new(0),
        entry_size: AtomicUsize::new(1),
        context: AtomicUsize::new(0),
        asked: [const { AtomicU32::new(0) }; PROTOCOLS_MAX / BITS],
        waker: AtomicPtr::new(std::ptr::null_mut()),
        readers: AtomicUsize::new(0),
    }
}; BELLS];

/// Hangs up a bell for a context; its number. `None` if all are taken.
pub(crate) fn hang(ctx: &Ctx, waker: sockeye::Handle) -> Option<usize> {
    let waker = Box::into_raw(Box::new(waker));
    for (number, bell) in TOWER.iter().enumerate() {
        let null = std::ptr::null_mut();
        if bell.waker.compare_exchange(null, waker, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            bell.count.store(ctx.protocols.len(), Ordering::SeqCst);
            bell.entry_size.store(ctx.level.entry().size, Ordering::SeqCst);
            bell.context.store(ctx.handle.addr(), Ordering::SeqCst);
            bell.array.store(ctx.array.addr(), Ordering::SeqCst);
            return Some(number);
        }
    }
    // SAFETY: it came from `Box::into_raw` above, and no bell has it.
    drop(unsafe { Box::from_raw(waker) });
    None
}

/// Takes a bell down.
pub(crate) fn take_down(number: usize) {
    let bell = &TOWER[number];
    bell.array.store(0, Ordering::SeqCst);
    // Whoever saw the array before that has said so; they hold nothing and are done at once.
    while bell.readers.load(Ordering::SeqCst) > 0 {
        std::thread::yield_now();
    }
    for bits in &bell.asked {
        bits.store(0, Ordering::SeqCst);
    }
    let waker = bell.waker.swap(std::ptr::null_mut(), Ordering::SeqCst);
    if !waker.is_null() {
        // SAFETY: `hang` put a box there; with the array gone and no reader left nobody else
        // comes to look at it.
        drop(unsafe { Box::from_raw(waker) });
    }
}

impl Bell {
    /// Which entry of the array begins at `address`.
    fn entry(&self, address: usize) -> Option<usize> {
        let array = self.array.load(Ordering::SeqCst);
        let offset = address.checked_sub(array).filter(|_| array != 0)?;
        let size = self.entry_size.load(Ordering::SeqCst).max(1);
        let (index, begins) = (offset / size, offset % size == 0);
        (begins && index < self.count.load(Ordering::SeqCst)).then_some(index)
    }

    /// Asks for a writable callback of every connection of the protocol at `address`.
    fn ring(&self, address: usize) {
        self.readers.fetch_add(1, Ordering::SeqCst);
        if let Some(index) = self.entry(address) {
            self.asked[index / BITS].fetch_or(1 << (index % BITS), Ordering::SeqCst);
            // SAFETY: `take_down` has not cleared the array yet, so it waits for us before it
            // frees this.
            if let Some(waker) = unsafe { self.waker.load(Ordering::SeqCst).as_ref() } {
                waker.wake();
            }
        }
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The context whose array has an entry at `protocol`, for the length of a call, and which entry
/// that is.
pub(crate) fn context_of(
    function: &'static str,
    protocol: *const Protocols,
) -> Option<(Use, usize)> {
    let found = TOWER.iter().find_map(|bell| {
        let index = bell.entry(protocol.addr())?;
        Some((bell.context.load(Ordering::SeqCst), index))
    });
    let handle = found.map_or(0, |(handle, _)| handle); // 0 is complained of like any other
    let used = call::context(function, std::ptr::without_provenance_mut(handle), Purpose::Call)?;
    Some((used, found?.1))
}

impl Ctx {
    /// Does what other threads and signal handlers have asked for.
    pub(crate) fn heed_others(&self) {
        if self.is_dying() {
            return;
        }
        if let Some(number) = self.bell.get() {
            for (word, bits) in TOWER[number].asked.iter().enumerate() {
                if bits.load(Ordering::Relaxed) != 0 {
                    self.heed(word * BITS, bits.swap(0, Ordering::SeqCst));
                }
            }
        }
        let asked = self.shared.asked.lock();
        let asked = mem::take(&mut *asked.unwrap_or_else(PoisonError::into_inner));
        for handle in asked {
            if let Some(wsi) = self.wsi(std::ptr::without_provenance_mut(handle)) {
                self.ask_writable(&wsi);
            }
        }
    }

    fn heed(&self, first: usize, bits: u32) {
        for wsi in self.all() {
            let own = wsi.protocol.get().checked_sub(first).filter(|&own| own < BITS);
            let asked = own.is_some_and(|own| bits & (1 << own) != 0);
            if asked && !matches!(wsi.kind.get(), Kind::Attention | Kind::Listener) {
                self.ask_writable(&wsi);
            }
        }
    }
}

/// Asks for a writable callback of one connection from a thread that may not use its context.
pub(crate) fn ask_from_elsewhere(shared: &Shared, handle: *mut c_void) -> c_int {
    let mut asked = shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
    if asked.len() >= WSIS_MAX {
        return -1; // nobody heeds them
    }
    if !asked.contains(&handle.addr()) {
        asked.push(handle.addr());
    }
    drop(asked);
    shared.wake();
    1
}

export! {
    /// Asks for a writable callback of every connection of a protocol. Any thread and any signal
    /// handler may call it.
    fn libwebsocket_callback_on_writable_all_protocol(protocol: *const Protocols) -> c_int {
        TOWER.iter().for_each(|bell| bell.ring(protocol.addr()));
        0
    } else 0;
}
