use std::sync::mpsc;

use super::*;

/// What arrives, and a gate that holds it up.
struct Sink {
    events: mpsc::Sender<IntakeEvent>,
    gate: Option<mpsc::Receiver<()>>,
    room: Arc<AtomicBool>,
    flushes: Arc<AtomicUsize>,
    durable: bool,
}

impl Sink {
    fn new() -> (Self, mpsc::Receiver<IntakeEvent>) {
        let (events, receive) = mpsc::channel();
        let sink = Self {
            events,
            gate: None,
            room: Arc::new(AtomicBool::new(true)),
            flushes: Arc::default(),
            durable: true,
        };
        (sink, receive)
    }
}

impl Journaling for Sink {
    fn has_room(&self) -> bool {
        self.room.load(Ordering::SeqCst)
    }

    fn absorb(&self, event: IntakeEvent) {
        if let Some(gate) = &self.gate {
            let _ = gate.recv();
        }
        self.events.send(event).unwrap();
    }

    fn flush(&self) -> bool {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        self.durable
    }
}

fn one(collection: &str) -> IntakeEvent {
    IntakeEvent::documents(collection, ["a"].into_iter(), 0)
}

fn names(receive: &mpsc::Receiver<IntakeEvent>) -> Vec<String> {
    receive
        .iter()
        .map(|event| event.collection().to_owned())
        .collect()
}

#[test]
fn every_id_arrives_in_order_and_none_after_stop() {
    let (sink, receive) = Sink::new();
    let intake = Intake::start(sink, Overflow::MarkDirty).unwrap();
    for n in 0..1_000 {
        let ids = [format!("a{n}"), String::new(), format!("é{n}")];
        intake.push(IntakeEvent::documents("c", ids.iter().map(String::as_str), n));
    }
    intake.stop();
    let events: Vec<_> = receive.iter().collect();
    assert_eq!(events.len(), 1_000);
    for (n, event) in events.iter().enumerate() {
        let IntakeEvent::Documents {
            ids, ends, at_micros, ..
        } = event
        else {
            panic!("{event:?}")
        };
        assert_eq!(*at_micros, n as u64);
        assert_eq!(
            split(ids, ends).collect::<Vec<_>>(),
            [format!("a{n}"), String::new(), format!("é{n}")]
        );
    }
}

#[test]
fn what_finds_the_queue_full_makes_its_collection_dirty() {
    let (open, gate) = mpsc::channel::<()>();
    let (mut sink, receive) = Sink::new();
    sink.gate = Some(gate);
    let intake = Intake::start(sink, Overflow::MarkDirty).unwrap();
    for _ in 0..CAPACITY + 10 {
        intake.push(one("kept"));
    }
    intake.push(one("dropped"));
    assert!(intake.overflowed() > 0);
    drop(open);
    intake.stop();
    assert!(names(&receive).iter().any(|collection| collection == "dropped"));
}

#[test]
fn ids_of_many_bytes_find_no_room_before_the_queue_is_full() {
    let (open, gate) = mpsc::channel::<()>();
    let (mut sink, receive) = Sink::new();
    sink.gate = Some(gate);
    let intake = Intake::start(sink, Overflow::MarkDirty).unwrap();
    let long = "x".repeat(1 << 20);
    for _ in 0..40 {
        intake.push(IntakeEvent::documents("long", [long.as_str()].into_iter(), 0));
    }
    let overflowed = intake.overflowed();
    assert!((7..=10).contains(&overflowed), "{overflowed}");
    drop(open);
    intake.stop();
    assert!(
        receive
            .iter()
            .any(|event| event == IntakeEvent::Collection("long".into()))
    );
}

#[test]
fn with_block_a_hook_waits_for_room_and_nothing_is_dropped() {
    let (open, gate) = mpsc::channel::<()>();
    let (mut sink, receive) = Sink::new();
    sink.gate = Some(gate);
    let intake = Arc::new(Intake::start(sink, Overflow::Block(Duration::from_secs(60))).unwrap());
    for _ in 0..CAPACITY + 1 {
        intake.push(one("c"));
    }
    let writers: Vec<_> = (0..4)
        .map(|n| {
            let intake = Arc::clone(&intake);
            thread::spawn(move || intake.push(one(&format!("late{n}"))))
        })
        .collect();
    thread::sleep(Duration::from_millis(50));
    assert!(writers.iter().any(|writer| !writer.is_finished()));
    drop(open);
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(intake.overflowed(), 0);
    intake.stop();
    let names = names(&receive);
    for n in 0..4 {
        assert!(names.contains(&format!("late{n}")));
    }
}

#[test]
fn with_block_a_hook_goes_on_when_the_time_is_up_and_its_collection_is_dirty() {
    let (open, gate) = mpsc::channel::<()>();
    let (mut sink, receive) = Sink::new();
    sink.gate = Some(gate);
    let patience = Duration::from_millis(100);
    let intake = Intake::start(sink, Overflow::Block(patience)).unwrap();
    for _ in 0..CAPACITY + 1 {
        intake.push(one("c"));
    }
    let begun = Instant::now();
    intake.push(one("dropped"));
    let waited = begun.elapsed();
    assert!(waited >= patience && waited < patience * 20, "{waited:?}");
    assert_eq!(intake.overflowed(), 1);
    drop(open);
    intake.stop();
    assert!(
        receive
            .iter()
            .any(|event| event == IntakeEvent::Collection("dropped".into()))
    );
}

#[test]
fn with_block_a_full_journal_holds_the_queue_up_but_not_for_ever() {
    let (sink, receive) = Sink::new();
    let room = Arc::clone(&sink.room);
    room.store(false, Ordering::SeqCst);
    let intake = Intake::start(sink, Overflow::Block(Duration::from_millis(200))).unwrap();
    intake.push(one("first"));
    assert!(receive.recv_timeout(Duration::from_millis(50)).is_err());
    assert!(
        receive.recv_timeout(Duration::from_secs(10)).is_ok(),
        "the time is up"
    );
    room.store(true, Ordering::SeqCst);
    intake.push(one("second"));
    assert!(receive.recv_timeout(Duration::from_secs(10)).is_ok());
    intake.stop();
}

#[test]
fn hooks_that_want_their_hints_on_disk_share_a_write() {
    let (sink, receive) = Sink::new();
    let flushes = Arc::clone(&sink.flushes);
    let intake = Arc::new(Intake::start(sink, Overflow::MarkDirty).unwrap());
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let intake = Arc::clone(&intake);
            thread::spawn(move || {
                for _ in 0..50 {
                    intake.push_durable(one("c")).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(
        receive.try_iter().count(),
        400,
        "all were journaled before they were answered"
    );
    let flushes = flushes.load(Ordering::SeqCst);
    assert!((1..=400).contains(&flushes), "{flushes}");
    intake.stop();
}

#[test]
fn a_storage_that_does_not_write_is_told_to_who_waits() {
    let (mut sink, _receive) = Sink::new();
    sink.durable = false;
    let intake = Intake::start(sink, Overflow::MarkDirty).unwrap();
    assert_eq!(intake.push_durable(one("c")), Err(Unjournaled));
    intake.stop();
}
