//! Somebody types at a terminal: keys are taken in the loop.

use super::command::{self, Asked, HELP};
use super::output::Output;
use super::source::{Item, Typed};
use super::talk::{Order, Talk};
use super::terminal::{Terminal, Wish};
use crate::signals;
use sockeye::{Context, Key};
use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::rc::Rc;

/// So much is read at a time.
const CHUNK: usize = 4096;

/// Takes the terminal over, and the keys from then on.
pub(super) fn begin(
    context: &mut Context,
    talk: Key<Talk>,
    typed: Rc<RefCell<Typed>>,
    output: &Rc<RefCell<Output>>,
    with_history: bool,
) -> io::Result<()> {
    let (terminal, trouble) = Terminal::take(with_history)?;
    output.borrow_mut().take_over(terminal);
    if let Some(why) = trouble {
        output.borrow_mut().no_history(&why);
    }
    let shown = Rc::clone(output);
    signals::on_stop(context, move |signal| {
        shown.borrow_mut().leave();
        signals::stop(signal);
        shown.borrow_mut().resume();
    })?;
    let shown = Rc::clone(output);
    let keyboard = io::stdin().as_fd().try_clone_to_owned()?;
    context.watch(keyboard, move |keyboard, connections| {
        let mut bytes = [0; CHUNK];
        let read = match rustix::io::read(keyboard, &mut bytes) {
            Ok(read) => read,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {
                return ControlFlow::Continue(());
            }
            Err(_) => 0, // the terminal is gone
        };
        let wishes = match read {
            0 => vec![Wish::End],
            _ => shown.borrow_mut().typed(&bytes[..read]),
        };
        wishes.into_iter().for_each(|wish| heed(wish, &typed, &mut shown.borrow_mut()));
        let _ = connections.post(talk, Order::Look); // or it has ended
        if read == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

fn heed(wish: Wish, typed: &RefCell<Typed>, output: &mut Output) {
    let asked = match wish {
        Wish::End => Ok(Asked::Item(Item::End)),
        Wish::Line(line) => {
            output.remember(&line);
            command::read(&line)
        }
    };
    match asked {
        Ok(Asked::Help) => HELP.iter().for_each(|line| output.remark(line)),
        Ok(Asked::Item(item)) => {
            if !typed.borrow_mut().push(item) {
                output.remark("not taken: the server takes nothing at present, and much waits");
            }
        }
        Err(why) => output.remark(&why),
    }
}
