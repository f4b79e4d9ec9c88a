//! A knock: what tells a connection that it was its socket that woke it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{self, Context as Wake, Waker};

/// Whether there may be something to read. A connection is woken for what it hears as often as by its socket, and to look at the
/// socket in vain costs as much as to look with success.
#[derive(Debug)]
pub struct Knock {
    has_come: AtomicBool,
    connection: OnceLock<Waker>,
}

impl Knock {
    /// Nobody has looked yet. Comes with what a socket is to wake while there is nothing to read.
    pub fn new() -> (Arc<Knock>, Waker) {
        let knock = Arc::new(Knock { has_come: AtomicBool::new(true), connection: OnceLock::new() });
        (knock.clone(), knock.into())
    }

    /// Whether to look. If it finds nothing, the socket has to know what to wake; if it finds something, [`Knock::again`].
    pub fn take(&self, wake: &Wake<'_>) -> bool {
        let has_come = self.has_come.load(Ordering::Acquire);
        if has_come {
            self.connection.get_or_init(|| wake.waker().clone());
            // What comes now is seen when the socket is looked at.
            self.has_come.store(false, Ordering::Release);
        }
        has_come
    }

    /// There may be more.
    pub fn again(&self) {
        self.has_come.store(true, Ordering::Release);
    }
}

impl task::Wake for Knock {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.again();
        if let Some(connection) = self.connection.get() {
            connection.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_connection_looks_once_for_each_knock() {
        let count = Arc::new(Count::default());
        let connection = Waker::from(count.clone());
        let wake = Wake::from_waker(&connection);
        let (knock, reader) = Knock::new();
        assert!(knock.take(&wake), "nobody has looked yet");
        assert!(!knock.take(&wake));
        reader.wake_by_ref();
        reader.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert!(knock.take(&wake) && !knock.take(&wake));
        knock.again();
        assert!(knock.take(&wake));
        assert_eq!(count.0.load(Ordering::Relaxed), 2, "it is awake");
    }
}
