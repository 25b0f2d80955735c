// error: E0499
//! A callback that could reach its context could re-enter the loop. Even a context that is leaked,
//! to be borrowed for ever, is borrowed once: by the protocol or by the loop.

use sockeye::{Action, Conn, Context, Handshake, Message, Protocol, Reject};
use std::cell::RefCell;
use std::rc::Rc;

struct Reentrant {
    context: Rc<RefCell<Option<&'static mut Context>>>,
}

impl Protocol for Reentrant {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "reentrant"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        if let Some(context) = self.context.borrow_mut().as_mut() {
            let _ = context.service(None);
        }
        Action::Continue
    }
}

fn main() {
    let shared = Rc::new(RefCell::new(None));
    let protocol = Reentrant { context: Rc::clone(&shared) };
    let context = Box::leak(Box::new(Context::builder().protocol(protocol).build().unwrap()));
    shared.borrow_mut().replace(&mut *context);
    context.run().unwrap();
}
