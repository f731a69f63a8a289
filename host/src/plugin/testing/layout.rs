//! Lays an outcome out in a guest's memory as the canonical ABI wants it, so that a guest can return it by its address.

use crate::plugin::contract::{Attribute, Decimal, Edit, Header, Outcome, Rate, Route, Verdict};

/// Addresses below are the guest's own.
const BASE: usize = 1_024;

/// The memory's beginning, and the address of `ok(outcome)` in it.
pub(super) fn ok(outcome: &Outcome) -> (Vec<u8>, u32) {
    let mut image = Image(vec![0; BASE]);
    let mut result = Block::new(44);
    result.put(0, &[0]);
    match &outcome.verdict {
        Verdict::Proceed => result.put(4, &[0]),
        Verdict::Reject(rejection) => {
            result.put(4, &[1]);
            result.put(8, &rejection.code.to_le_bytes());
            result.slice(12, image.text(&rejection.reason));
            result.slice(20, image.list(16, &rejection.headers, header));
        }
        Verdict::Challenge(realm) => {
            result.put(4, &[2]);
            result.slice(8, image.text(realm));
        }
        Verdict::Redirect(contacts) => {
            result.put(4, &[3]);
            result.slice(8, image.list(8, contacts, |image, block, text: &String| block.slice(0, image.text(text))));
        }
        Verdict::Route(routes) => {
            result.put(4, &[4]);
            result.slice(8, image.list(120, routes, route));
        }
    }
    result.slice(28, image.list(20, &outcome.edits, edit));
    result.slice(36, image.list(16, &outcome.attributes, attribute));
    let pointer = image.place(&result.0);
    (image.0, pointer)
}

/// The memory's beginning, and the address of `err(text)` in it.
pub(super) fn err(text: &str) -> (Vec<u8>, u32) {
    let mut image = Image(vec![0; BASE]);
    let mut result = Block::new(44);
    result.put(0, &[1]);
    result.slice(4, image.text(text));
    let pointer = image.place(&result.0);
    (image.0, pointer)
}

struct Image(Vec<u8>);

impl Image {
    fn place(&mut self, bytes: &[u8]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let address = self.0.len();
        self.0.extend_from_slice(bytes);
        address as u32
    }

    fn text(&mut self, text: &str) -> (u32, u32) {
        (self.place(text.as_bytes()), text.len() as u32)
    }

    fn list<T>(&mut self, size: usize, items: &[T], write: impl Fn(&mut Self, &mut Block, &T)) -> (u32, u32) {
        let mut all = Vec::with_capacity(size * items.len());
        for item in items {
            let mut block = Block::new(size);
            write(self, &mut block, item);
            all.extend_from_slice(&block.0);
        }
        (self.place(&all), items.len() as u32)
    }
}

struct Block(Vec<u8>);

impl Block {
    fn new(size: usize) -> Self {
        Self(vec![0; size])
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn slice(&mut self, at: usize, (pointer, length): (u32, u32)) {
        self.put(at, &pointer.to_le_bytes());
        self.put(at + 4, &length.to_le_bytes());
    }

    fn decimal(&mut self, at: usize, decimal: Decimal) {
        self.put(at, &decimal.digits.to_le_bytes());
        self.put(at + 8, &[decimal.scale]);
    }
}

fn header(image: &mut Image, block: &mut Block, header: &Header) {
    block.slice(0, image.text(&header.name));
    block.slice(8, image.text(&header.value));
}

fn attribute(image: &mut Image, block: &mut Block, attribute: &Attribute) {
    block.slice(0, image.text(&attribute.name));
    block.slice(8, image.text(&attribute.value));
}

fn edit(image: &mut Image, block: &mut Block, edit: &Edit) {
    let (case, first, second) = match edit {
        Edit::CallerName(text) => (0, text, None),
        Edit::CallerNumber(text) => (1, text, None),
        Edit::CalleeNumber(text) => (2, text, None),
        Edit::UserParameter(header) => (3, &header.name, Some(&header.value)),
        Edit::SetHeader(header) => (4, &header.name, Some(&header.value)),
        Edit::AddHeader(header) => (5, &header.name, Some(&header.value)),
        Edit::RemoveHeader(text) => (6, text, None),
    };
    block.put(0, &[case]);
    block.slice(4, image.text(first));
    if let Some(second) = second {
        block.slice(12, image.text(second));
    }
}

fn route(image: &mut Image, block: &mut Block, route: &Route) {
    block.slice(0, image.text(&route.gateway));
    for (at, number) in [(8, &route.callee), (20, &route.caller)] {
        if let Some(number) = number {
            block.put(at, &[1]);
            block.slice(at + 4, image.text(number));
        }
    }
    if let Some(Rate { cost, price, currency }) = &route.rate {
        block.put(32, &[1]);
        block.decimal(40, *cost);
        if let Some(price) = price {
            block.put(56, &[1]);
            block.decimal(64, *price);
        }
        block.slice(80, image.text(currency));
    }
    for (at, millis) in [(88, route.attempt_timeout), (96, route.ring_timeout)] {
        if let Some(millis) = millis {
            block.put(at, &[1]);
            block.put(at + 4, &millis.to_le_bytes());
        }
    }
    block.slice(104, image.list(16, &route.headers, header));
    block.put(112, &[u8::from(route.parallel)]);
}
