//! Handles: what a program holds in place of addresses, and which thread may use them.
//!
//! A handle is a number that names a context, or a connection of one, and how often its place has
//! been used before; so one that is stale, made up or another context's is noticed. It is odd in
//! the sense of every pointer: its two lowest bits are never zero, so it is no object's address.
//!
//! A context belongs to the thread that first services it, and passes on when that thread ends.
//! Before that any thread may use it, one at a time.

use crate::context::{Ctx, running};
use crate::log::say;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const TAG_BITS: u32 = 2;
const CONTEXT_TAG: usize = 0b10;
const WSI_TAG: usize = 0b01;

/// How many bits name the context, and the place of a connection in it. The others count.
#[cfg(target_pointer_width = "64")]
const BITS: (u32, u32) = (12, 24);
#[cfg(target_pointer_width = "32")]
const BITS: (u32, u32) = (5, 15);

/// The most contexts at a time.
pub(crate) const CONTEXTS_MAX: usize = 1 << BITS.0;
/// The most connections of a context, listeners counted.
pub(crate) const WSIS_MAX: usize = 1 << BITS.1;

const CONTEXT_SHIFT: u32 = TAG_BITS + BITS.0;
const GENERATION_SHIFT: u32 = CONTEXT_SHIFT + BITS.1;
/// How often a place is used before its count begins anew. In debug builds no more often than on
/// 32 bits, so that tests see it.
const GENERATION_MAX: usize =
    if cfg!(debug_assertions) { 0x3ff } else { usize::MAX >> GENERATION_SHIFT };

/// A connection's handle, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WsiId {
    context: usize,
    index: usize,
    generation: usize,
}

impl WsiId {
    #[inline(always)] // a call would take longer
    fn of(handle: *mut c_void) -> Option<Self> {
        let bits = handle.addr();
        let id = Self {
            context: (bits >> TAG_BITS) & (CONTEXTS_MAX - 1),
            index: (bits >> CONTEXT_SHIFT) & (WSIS_MAX - 1),
            generation: bits >> GENERATION_SHIFT,
        };
        (bits & 0b11 == WSI_TAG && id.generation > 0).then_some(id)
    }

    fn handle(self) -> *mut c_void {
        let bits = (self.generation << GENERATION_SHIFT)
            | (self.index << CONTEXT_SHIFT)
            | (self.context << TAG_BITS)
            | WSI_TAG;
        std::ptr::without_provenance_mut(bits)
    }
}

/// Connections by handle. A place is used again only after all others that are free.
pub(crate) struct Table<T> {
    context: usize,
    /// How often each place has been used.
    used: Vec<usize>,
    /// What is in each place now.
    places: Vec<Option<T>>,
    free: std::collections::VecDeque<usize>,
}

impl<T> Table<T> {
    /// `None` if all places are taken.
    pub(crate) fn insert(&mut self, make: impl FnOnce(*mut c_void) -> T) -> Option<*mut c_void> {
        let index = match self.free.pop_front() {
            Some(index) => index,
            None if self.places.len() < WSIS_MAX => {
                self.used.push(0);
                self.places.push(None);
                self.places.len() - 1
            }
            None => return None,
        };
        let used = &mut self.used[index];
        *used = if *used >= GENERATION_MAX { 1 } else { *used + 1 };
        let id = WsiId { context: self.context, index, generation: *used };
        self.places[index] = Some(make(id.handle()));
        Some(id.handle())
    }

    pub(crate) fn get(&self, handle: *mut c_void) -> Option<&T> {
        let id = WsiId::of(handle).filter(|id| id.context == self.context)?;
        let place = self.places.get(id.index)?.as_ref();
        place.filter(|_| self.used.get(id.index) == Some(&id.generation))
    }

    pub(crate) fn remove(&mut self, handle: *mut c_void) -> Option<T> {
        self.get(handle)?;
        let index = WsiId::of(handle)?.index;
        self.free.push_back(index);
        self.places[index].take()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}

/// A context as all threads see it.
pub(crate) struct Shared {
    pub(crate) handle: usize,
    owner: Mutex<Owner>,
    /// A wait is to end though nothing has happened.
    pub(crate) cancelled: AtomicBool,
    /// Wakes the context's loop.
    waker: Mutex<Option<sockeye::Handle>>,
    /// Connections for which another thread has asked for a writable callback.
    pub(crate) asked: Mutex<Vec<usize>>,
    /// Only to be looked at by who holds a [`Use`].
    ctx: UnsafeCell<Option<Rc<Ctx>>>,
}

// SAFETY: `ctx` is reached only through a `Use`, and `claim` gives those to one thread at a time.
// What is inside has no ties to a thread: its reference counts are all inside itself.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn set_waker(&self, waker: sockeye::Handle) {
        *lock(&self.waker) = Some(waker);
    }

    /// Wakes the context's loop, from any thread.
    pub(crate) fn wake(&self) {
        if let Some(waker) = lock(&self.waker).as_ref() {
            waker.wake();
        }
    }
}

#[derive(Default)]
struct Owner {
    /// The thread that services the context.
    servicing: Option<Arc<AtomicBool>>,
    /// The thread that uses it at present, and how many calls deep.
    using: Option<Arc<AtomicBool>>,
    depth: usize,
}

/// Says, in the end, that its thread has ended.
struct Life(Arc<AtomicBool>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

thread_local! {
    static LIFE: Life = Life(Arc::new(AtomicBool::new(true)));
}

/// This thread, unless it is at its end.
fn me() -> Option<Arc<AtomicBool>> {
    LIFE.try_with(|life| Arc::clone(&life.0)).ok()
}

/// A context in use by this thread.
pub(crate) struct Use {
    shared: Arc<Shared>,
    /// It is counted in [`Owner::depth`].
    is_counted: bool,
}

impl Use {
    /// The context, kept alive for as long as this exists.
    pub(crate) fn ctx(&self) -> &Rc<Ctx> {
        // SAFETY: `claim` has seen that it is there and that no other thread is in here; it is
        // taken out in `forget` only, by the outermost user, when none is left.
        let ctx = unsafe { &*self.shared.ctx.get() };
        ctx.as_ref().expect("`claim` has checked it")
    }

    /// Whether the context is used by a call further out.
    pub(crate) fn is_nested(&self) -> bool {
        !self.is_counted || lock(&self.shared.owner).depth > 1
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        if !self.is_nested() && self.ctx().is_dying() {
            crate::create::finish_destroy(&Rc::clone(self.ctx()));
            forget(&self.shared);
        }
        let mut owner = lock(&self.shared.owner);
        owner.depth -= 1;
        if owner.depth == 0 {
            owner.using = None;
        }
    }
}

/// What is known of all contexts.
struct Registry {
    places: Vec<Place>,
}

#[derive(Default)]
struct Place {
    generation: usize,
    shared: Option<Arc<Shared>>,
    /// How often the places of its connections have been used, while there is no context here.
    used: Vec<usize>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { places: Vec::new() });

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic is left half done under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts a context into the registry; `make` builds it around its handle and table.
pub(crate) fn register(
    make: impl FnOnce(&Arc<Shared>, Table<Rc<crate::wsi::Wsi>>) -> Rc<Ctx>,
) -> Option<Use> {
    let mut registry = lock(&REGISTRY);
    let free = registry.places.iter().position(|place| place.shared.is_none());
    let index = match free {
        Some(index) => index,
        None if registry.places.len() < CONTEXTS_MAX => {
            registry.places.push(Place::default());
            registry.places.len() - 1
        }
        None => return None,
    };
    let place = &mut registry.places[index];
    place.generation =
        if place.generation >= usize::MAX >> CONTEXT_SHIFT { 1 } else { place.generation + 1 };
    let handle = (place.generation << CONTEXT_SHIFT) | (index << TAG_BITS) | CONTEXT_TAG;
    let using = me();
    let shared = Arc::new(Shared {
        handle,
        owner: Mutex::new(Owner { servicing: None, using, depth: 1 }),
        cancelled: AtomicBool::new(false),
        waker: Mutex::default(),
        asked: Mutex::default(),
        ctx: UnsafeCell::new(None),
    });
    let used = std::mem::take(&mut place.used);
    let mut table = Table { context: index, used, places: Vec::new(), free: Default::default() };
    for index in 0..table.used.len() {
        table.places.push(None);
        table.free.push_back(index);
    }
    let ctx = make(&shared, table);
    // SAFETY: nobody else knows of it yet.
    unsafe { *shared.ctx.get() = Some(ctx) };
    place.shared = Some(Arc::clone(&shared));
    Some(Use { shared, is_counted: true })
}

/// Takes a context out of the registry. To be called by its only user.
fn forget(shared: &Arc<Shared>) {
    // SAFETY: the caller is the outermost `Use`, so no reference into it is left.
    let ctx = unsafe { (*shared.ctx.get()).take() };
    let index = (shared.handle >> TAG_BITS) & (CONTEXTS_MAX - 1);
    let mut registry = lock(&REGISTRY);
    if let Some(place) = registry.places.get_mut(index) {
        place.shared = None;
        if let Some(ctx) = &ctx {
            place.used = ctx.wsis.take().map_or_else(Vec::new, |table| table.used);
        }
    }
    drop(registry);
    drop(ctx);
}

/// Why a handle cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It names no context or connection that exists.
    Unknown,
    /// Its context is another thread's.
    ForeignThread,
}

/// What is going to be done with a context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Its loop is turned, so it belongs to this thread from now on.
    Service,
    /// Anything else.
    Call,
}

/// The context of a handle, as far as any thread may see it.
pub(crate) fn shared(handle: *mut c_void) -> Result<Arc<Shared>, Refusal> {
    let bits = handle.addr();
    let index = (bits >> TAG_BITS) & (CONTEXTS_MAX - 1);
    let registry = lock(&REGISTRY);
    let shared = registry.places.get(index).and_then(|place| place.shared.as_ref());
    shared.filter(|shared| shared.handle == bits).cloned().ok_or(Refusal::Unknown)
}

/// The same for the context of a connection's handle.
pub(crate) fn shared_of_wsi(handle: *mut c_void) -> Result<Arc<Shared>, Refusal> {
    let id = WsiId::of(handle).ok_or(Refusal::Unknown)?;
    let registry = lock(&REGISTRY);
    let shared = registry.places.get(id.context).and_then(|place| place.shared.as_ref());
    shared.cloned().ok_or(Refusal::Unknown)
}

/// Lets this thread use a context, if it may.
fn claim(shared: Arc<Shared>, purpose: Purpose) -> Result<Use, Refusal> {
    let me = me().ok_or(Refusal::ForeignThread)?;
    let mut owner = lock(&shared.owner);
    let is_other = |thread: &Arc<AtomicBool>| !Arc::ptr_eq(thread, &me);
    let lives_elsewhere =
        |thread: &Arc<AtomicBool>| is_other(thread) && thread.load(Ordering::Acquire);
    if owner.using.as_ref().is_some_and(is_other)
        || owner.servicing.as_ref().is_some_and(lives_elsewhere)
    {
        return Err(Refusal::ForeignThread);
    }
    // SAFETY: no other thread uses it, and none can begin to while the lock is held.
    let ctx = unsafe { &*shared.ctx.get() };
    if ctx.as_ref().is_none_or(|ctx| ctx.is_dying() && owner.depth == 0) {
        return Err(Refusal::Unknown);
    }
    if purpose == Purpose::Service {
        owner.servicing = Some(Arc::clone(&me));
    }
    owner.using = Some(me);
    owner.depth += 1;
    drop(owner);
    Ok(Use { shared, is_counted: true })
}

/// The same for a call from a callback of the context that is `wanted`: what runs the callback has
/// claimed it, so no lock is needed.
fn claimed(wanted: impl Fn(&Ctx) -> bool) -> Option<Use> {
    running(wanted).map(|shared| Use { shared, is_counted: false })
}

/// The context of a handle, for this thread to use.
pub(crate) fn use_context(handle: *mut c_void, purpose: Purpose) -> Result<Use, Refusal> {
    let claimed = || claimed(|ctx| ctx.handle == handle);
    match (purpose == Purpose::Call).then(claimed).flatten() {
        Some(used) => Ok(used),
        None => claim(shared(handle)?, purpose),
    }
}

/// The context of a connection's handle, for this thread to use.
pub(crate) fn use_context_of(handle: *mut c_void) -> Result<Use, Refusal> {
    let id = WsiId::of(handle).ok_or(Refusal::Unknown)?;
    let place = |ctx: &Ctx| (ctx.handle.addr() >> TAG_BITS) & (CONTEXTS_MAX - 1);
    match claimed(|ctx| place(ctx) == id.context) {
        Some(used) => Ok(used),
        None => claim(shared_of_wsi(handle)?, Purpose::Call),
    }
}

/// Logs, once per function of the API and kind of mistake, that a handle was refused.
pub(crate) fn complain(function: &'static str, refusal: Refusal) {
    static SAID: Mutex<Vec<(&str, Refusal)>> = Mutex::new(Vec::new());
    let mut said = lock(&SAID);
    if said.contains(&(function, refusal)) {
        return;
    }
    said.push((function, refusal));
    drop(said); // what logs may call us
    match refusal {
        Refusal::Unknown => {
            say!(ERR, "{function}: the handle is none of a live context or connection");
        }
        Refusal::ForeignThread => {
            say!(ERR, "{function}: the context belongs to another thread, which services it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<u8> {
        Table { context: 3, used: Vec::new(), places: Vec::new(), free: Default::default() }
    }

    #[test]
    fn a_handle_is_good_for_one_connection_only() {
        let mut table = table();
        let first = table.insert(|_| 1).unwrap();
        assert_eq!(table.get(first), Some(&1));
        assert_eq!(table.remove(first), Some(1));
        assert_eq!(table.remove(first), None);
        let second = table.insert(|_| 2).unwrap();
        assert_ne!(first, second);
        assert_eq!(table.get(first), None);
        assert_eq!(table.get(second), Some(&2));
        assert_ne!(second.addr() & 0b11, 0);
    }

    #[test]
    fn numbers_that_are_no_handles_name_nothing() {
        let mut table = table();
        table.insert(|_| 1);
        for bits in [0, 1, 2, 3, usize::MAX, usize::MAX - 2, 0x7fff_1234, WSI_TAG | 3 << TAG_BITS] {
            assert_eq!(table.get(std::ptr::without_provenance_mut(bits)), None, "{bits:#x}");
        }
    }

    #[test]
    fn places_that_have_been_used_most_often_begin_anew() {
        let mut table = table();
        table.used.push(GENERATION_MAX);
        table.places.push(None);
        table.free.push_back(0);
        let handle = table.insert(|_| 1).unwrap();
        assert_eq!(WsiId::of(handle).unwrap().generation, 1);
        assert_eq!(table.get(handle), Some(&1));
    }
}
