// error: E0308
//! A key remembers its protocol's type: what is posted by it fits.

use sockeye::{Action, Conn, Context, Handshake, Message, Protocol, Reject};

struct Prices;

impl Protocol for Prices {
    type Session = ();
    type Notice = u64;

    fn name(&self) -> &str {
        "prices"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }
}

fn main() {
    let mut builder = Context::builder();
    let prices = builder.register(Prices);
    let context = builder.build().unwrap();
    context.handle().post(prices, "forty-two").unwrap();
}
