//! The clients of a worker: how many are connected, and which of them wait for nothing but their
//! own next request and may be asked to leave when a new client comes.
//!
//! Invariant: never more than the given number; the one that has waited longest leaves first, and
//! none while its request is served. All operations take constant time and allocate nothing once
//! as many clients were connected before.

use std::cell::{Cell, RefCell};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Input that a client is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AwaitedInput {
    /// Another request, on a connection that was kept.
    NextRequest,
    /// Its first bytes, or the rest of a request head.
    Head,
}

/// A client may stay this long before it is asked to leave for another.
const PATIENCE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// Marks the end of a list: no slot.
const NONE: u32 = u32::MAX;

/// Whether somebody leaves for a new client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MadeRoom {
    /// The one that waited longest was asked to.
    Asked,
    /// Nobody yet; somebody will have waited long enough after this time.
    In(Duration),
    /// Everybody's request is being served.
    Nobody,
}

#[derive(Debug)]
pub(crate) struct Seats {
    lists: RefCell<SeatLists>,
    taken: Cell<usize>,
    most: usize,
    freed: Notify,
}

#[derive(Debug, Default)]
struct SeatLists {
    slots: Vec<ConnectionSlot>,
    free: Vec<u32>,
    /// First and last of those that are waited for, by [`AwaitedInput`].
    ends: [Option<(u32, u32)>; 2],
}

#[derive(Debug)]
struct ConnectionSlot {
    since: Instant,
    before: u32,
    after: u32,
    awaited: Option<AwaitedInput>,
    asked_to_leave: bool,
    waker: Option<Waker>,
}

impl Seats {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            lists: RefCell::default(),
            taken: Cell::new(0),
            most: most.max(1),
            freed: Notify::new(),
        }
    }

    pub(crate) fn in_use(&self) -> usize {
        self.taken.get()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.taken.get() >= self.most
    }

    /// Waits for somebody to leave. To be made before it is looked whether there is room.
    pub(crate) fn freed(&self) -> impl Future<Output = ()> + '_ {
        self.freed.notified()
    }

    /// A number for a new client; to be given back.
    pub(crate) fn acquire(&self) -> u32 {
        self.taken.set(self.taken.get() + 1);
        self.lists.borrow_mut().add()
    }

    pub(crate) fn give_back(&self, seat: u32) {
        self.taken.set(self.taken.get() - 1);
        self.lists.borrow_mut().remove(seat);
        self.freed.notify_waiters();
    }

    /// Asks the client to leave that has been waited for longest.
    pub(crate) fn make_room(&self, now: Instant) -> MadeRoom {
        self.lists.borrow_mut().make_room(now)
    }

    /// Whether this client is to leave.
    pub(crate) fn is_asked_to_leave(&self, seat: u32) -> bool {
        self.lists.borrow().slots[seat as usize].asked_to_leave
    }

    /// While this lives, the client may be asked to leave.
    pub(crate) fn wait(&self, seat: u32, awaited: AwaitedInput) -> IdleWait<'_> {
        self.lists.borrow_mut().append(seat, awaited);
        IdleWait { seats: self, seat }
    }
}

/// A client that is waited for.
pub(crate) struct IdleWait<'a> {
    seats: &'a Seats,
    seat: u32,
}

impl IdleWait<'_> {
    /// Returns when it is to leave.
    pub(crate) async fn asked_to_leave(&self) {
        std::future::poll_fn(|context| {
            let mut lists = self.seats.lists.borrow_mut();
            let slot = &mut lists.slots[self.seat as usize];
            if slot.asked_to_leave {
                return Poll::Ready(());
            }
            match &mut slot.waker {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await;
    }
}

impl Drop for IdleWait<'_> {
    fn drop(&mut self) {
        self.seats.lists.borrow_mut().unlink(self.seat);
    }
}

impl SeatLists {
    fn add(&mut self) -> u32 {
        let slot = ConnectionSlot {
            since: Instant::now(),
            before: NONE,
            after: NONE,
            awaited: None,
            asked_to_leave: false,
            waker: None,
        };
        if let Some(free) = self.free.pop() {
            self.slots[free as usize] = slot;
            return free;
        }
        self.slots.push(slot);
        // Descriptors are numbered by an i32.
        u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
    }

    fn remove(&mut self, seat: u32) {
        self.unlink(seat);
        self.slots[seat as usize].waker = None;
        self.free.push(seat);
    }

    fn append(&mut self, seat: u32, awaited: AwaitedInput) {
        self.unlink(seat);
        let end = &mut self.ends[awaited as usize];
        let last = end.map_or(NONE, |(_, last)| last);
        *end = Some((end.map_or(seat, |(first, _)| first), seat));
        if last != NONE {
            self.slots[last as usize].after = seat;
        }
        let slot = &mut self.slots[seat as usize];
        (slot.before, slot.after, slot.awaited) = (last, NONE, Some(awaited));
        slot.since = Instant::now();
    }

    fn unlink(&mut self, seat: u32) {
        let slot = &mut self.slots[seat as usize];
        let Some(awaited) = slot.awaited.take() else {
            return;
        };
        let (before, after) = (slot.before, slot.after);
        if before != NONE {
            self.slots[before as usize].after = after;
        }
        if after != NONE {
            self.slots[after as usize].before = before;
        }
        let end = &mut self.ends[awaited as usize];
        *end = end.and_then(|(first, last)| {
            let first = if first == seat { after } else { first };
            let last = if last == seat { before } else { last };
            (first != NONE).then_some((first, last))
        });
    }

    fn make_room(&mut self, now: Instant) -> MadeRoom {
        let mut soonest: Option<Duration> = None;
        for (end, patience) in self.ends.into_iter().zip(PATIENCE) {
            let Some((first, _)) = end else { continue };
            let slot = &mut self.slots[first as usize];
            let left = patience.saturating_sub(now.saturating_duration_since(slot.since));
            if left.is_zero() {
                slot.asked_to_leave = true;
                if let Some(waker) = slot.waker.take() {
                    waker.wake();
                }
                self.unlink(first);
                return MadeRoom::Asked;
            }
            soonest = Some(soonest.map_or(left, |before| before.min(left)));
        }
        soonest.map_or(MadeRoom::Nobody, MadeRoom::In)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> Instant {
        Instant::now() + PATIENCE[AwaitedInput::Head as usize]
    }

    #[test]
    fn the_one_that_waited_longest_leaves_first_and_kept_connections_before_new_ones() {
        let seats = Seats::new(4);
        let all: Vec<u32> = (0..4).map(|_| seats.acquire()).collect();
        assert!(seats.is_full());
        assert_eq!(seats.make_room(later()), MadeRoom::Nobody);
        let beginning = seats.wait(all[0], AwaitedInput::Head);
        let first = seats.wait(all[1], AwaitedInput::NextRequest);
        let second = seats.wait(all[2], AwaitedInput::NextRequest);
        let early = seats.make_room(Instant::now());
        assert!(
            matches!(early, MadeRoom::In(left) if left <= PATIENCE[0]),
            "{early:?}"
        );
        for expected in [1, 2, 0] {
            assert_eq!(seats.make_room(later()), MadeRoom::Asked);
            assert!(seats.is_asked_to_leave(all[expected]), "{expected}");
        }
        assert_eq!(seats.make_room(later()), MadeRoom::Nobody);
        drop((beginning, first, second));
        seats.give_back(all[1]);
        assert!(!seats.is_full());
        let new = seats.acquire();
        assert!(!seats.is_asked_to_leave(new), "a new client was not asked");
    }

    #[test]
    fn whoever_got_a_request_is_not_asked() {
        let seats = Seats::new(8);
        let all: Vec<u32> = (0..5).map(|_| seats.acquire()).collect();
        let mut waits: Vec<Option<IdleWait<'_>>> = all
            .iter()
            .map(|seat| Some(seats.wait(*seat, AwaitedInput::NextRequest)))
            .collect();
        // From the middle, the beginning and the end of the list.
        for served in [2, 0, 4] {
            waits[served] = None;
        }
        for expected in [1, 3] {
            assert_eq!(seats.make_room(later()), MadeRoom::Asked);
            assert!(seats.is_asked_to_leave(all[expected]));
        }
        assert_eq!(seats.make_room(later()), MadeRoom::Nobody);
    }
}
