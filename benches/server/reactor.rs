//! Many sockets in one task: the event loop that the load program and the floor share.
//!
//! A turn takes every socket that became ready, reads each once, lets the handler answer, and then writes each
//! socket once. There is no task per connection and no channel; tokio serves only as the safe way to epoll. Reads
//! share one block, and a connection owns memory only for an incomplete message and for unsent bytes.

use std::future::poll_fn;
use std::io;
use std::net;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::flaw::Flaw;

/// Names a socket. A reactor never uses a token again.
pub type Token = usize;

/// What is done with the sockets.
pub trait Handler {
    /// A listener accepted a connection.
    fn opened(&mut self, _listener: usize, _token: Token) {}

    /// Everything a connection sent that was not used yet. Returns how many bytes of it are used now.
    fn hear(&mut self, token: Token, input: &[u8], outputs: &mut Outputs) -> Result<usize, Flaw>;

    /// A connection ended.
    fn closed(&mut self, token: Token) -> Result<(), Flaw>;

    /// All input of this turn was heard; what is written now leaves with it. `Break` ends the run.
    fn settle(&mut self, _outputs: &mut Outputs) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// The sockets and what they wait for.
pub struct Reactor {
    sockets: Vec<Option<Socket>>,
    listeners: Vec<TcpListener>,
    outputs: Outputs,
    ready: Arc<Ready>,
    turn: Vec<Signal>,
    block: Box<[u8]>,
}

/// Bytes to send, by connection.
#[derive(Default)]
pub struct Outputs {
    outputs: Vec<Output>,
    dirty: Vec<Token>,
}

impl Reactor {
    /// A reactor without sockets. It must be used inside a tokio runtime.
    pub fn new() -> Reactor {
        Reactor {
            sockets: Vec::new(),
            listeners: Vec::new(),
            outputs: Outputs::default(),
            ready: Arc::default(),
            turn: Vec::new(),
            block: vec![0; BLOCK_BYTES].into_boxed_slice(),
        }
    }

    /// Serves a connected socket.
    pub fn add(&mut self, stream: net::TcpStream) -> io::Result<Token> {
        stream.set_nonblocking(true)?;
        self.adopt(TcpStream::from_std(stream)?)
    }

    /// Accepts connections, which the handler hears of in `opened`.
    pub fn listen(&mut self, listener: net::TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        self.ready.raise(Signal::Listener(self.listeners.len()));
        self.listeners.push(TcpListener::from_std(listener)?);
        Ok(())
    }

    /// What to send to whom, outside of a turn.
    pub fn outputs(&mut self) -> &mut Outputs {
        &mut self.outputs
    }

    /// Takes turns until the handler ends it.
    pub async fn run(&mut self, handler: &mut impl Handler) -> Result<(), Flaw> {
        // Tokio would end a poll after 128 reads, to be fair to other tasks. There are none.
        tokio::task::coop::unconstrained(poll_fn(|cx| self.poll(cx, handler))).await
    }

    fn poll(&mut self, cx: &mut Context<'_>, handler: &mut impl Handler) -> Poll<Result<(), Flaw>> {
        let mut turn = std::mem::take(&mut self.turn);
        self.ready.take(&mut turn, cx.waker());
        let done = turn.drain(..).try_for_each(|signal| match signal {
            Signal::Socket(token) => self.read(token, handler),
            Signal::Listener(listener) => self.accept(listener, handler),
        });
        self.turn = turn;
        if let Err(flaw) = done {
            return Poll::Ready(Err(flaw));
        }
        let flow = handler.settle(&mut self.outputs);
        self.write_all();
        match flow {
            ControlFlow::Continue(()) => Poll::Pending,
            ControlFlow::Break(()) => Poll::Ready(Ok(())),
        }
    }

    fn adopt(&mut self, stream: TcpStream) -> io::Result<Token> {
        stream.set_nodelay(true)?;
        let token = self.sockets.len();
        let signal = Signal::Socket(token);
        let waker = Waker::from(Arc::new(Bell { signal, ready: Arc::clone(&self.ready) }));
        self.sockets.push(Some(Socket { stream, waker, tail: Vec::new() }));
        self.outputs.outputs.push(Output::default());
        // The first read asks tokio to ring.
        self.ready.raise(signal);
        Ok(token)
    }

    fn accept(&mut self, listener: usize, handler: &mut impl Handler) -> Result<(), Flaw> {
        let bell = Bell { signal: Signal::Listener(listener), ready: Arc::clone(&self.ready) };
        let waker = Waker::from(Arc::new(bell));
        let mut cx = Context::from_waker(&waker);
        while let Poll::Ready(accepted) = self.listeners[listener].poll_accept(&mut cx) {
            let (stream, _) = accepted.map_err(Flaw::system("accept"))?;
            let token = self.adopt(stream).map_err(Flaw::system("adopt a connection"))?;
            handler.opened(listener, token);
        }
        Ok(())
    }

    fn read(&mut self, token: Token, handler: &mut impl Handler) -> Result<(), Flaw> {
        let Some(Socket { stream, waker, tail }) = &mut self.sockets[token] else { return Ok(()) };
        if self.outputs.outputs[token].unsent() {
            self.outputs.mark(token);
        }
        let mut cx = Context::from_waker(waker);
        loop {
            let mut block = ReadBuf::new(&mut self.block);
            // A read that does not fill the block clears tokio's readiness, so the poll that ends this loop is no
            // system call.
            match Pin::new(&mut *stream).poll_read(&mut cx, &mut block) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) if !block.filled().is_empty() => {
                    hear(token, tail, block.filled(), handler, &mut self.outputs)?;
                }
                // A reset is an end like any other.
                Poll::Ready(_) => {
                    self.sockets[token] = None;
                    self.outputs.outputs[token] = Output::default();
                    return handler.closed(token);
                }
            }
        }
    }

    fn write_all(&mut self) {
        let Outputs { outputs, dirty } = &mut self.outputs;
        for token in dirty.drain(..) {
            let output = &mut outputs[token];
            output.dirty = false;
            match &mut self.sockets[token] {
                Some(socket) => output.write(socket),
                None => *output = Output::default(),
            }
        }
    }
}

impl Outputs {
    /// Where to append what a connection is to be sent.
    pub fn to(&mut self, token: Token) -> &mut Vec<u8> {
        self.mark(token);
        &mut self.outputs[token].bytes
    }

    fn mark(&mut self, token: Token) {
        let output = &mut self.outputs[token];
        if !output.dirty {
            output.dirty = true;
            self.dirty.push(token);
        }
    }
}

struct Socket {
    stream: TcpStream,
    waker: Waker,
    /// An incomplete message.
    tail: Vec<u8>,
}

/// Shows the handler what was read, after what was left over from before.
fn hear(
    token: Token,
    tail: &mut Vec<u8>,
    read: &[u8],
    handler: &mut impl Handler,
    outputs: &mut Outputs,
) -> Result<(), Flaw> {
    if tail.is_empty() {
        let used = handler.hear(token, read, outputs)?;
        tail.extend_from_slice(&read[used..]);
        return Ok(());
    }
    tail.extend_from_slice(read);
    let used = handler.hear(token, tail, outputs)?;
    tail.drain(..used);
    give_back(tail);
    Ok(())
}

#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    sent: usize,
    dirty: bool,
}

impl Output {
    fn unsent(&self) -> bool {
        self.sent < self.bytes.len()
    }

    /// Writes until all is sent or the socket is full; then the socket rings when there is room.
    fn write(&mut self, socket: &mut Socket) {
        let mut cx = Context::from_waker(&socket.waker);
        while self.unsent() {
            let unsent = &self.bytes[self.sent..];
            match Pin::new(&mut socket.stream).poll_write(&mut cx, unsent) {
                Poll::Pending => return,
                Poll::Ready(Ok(written)) => self.sent += written,
                // The read side finds the end of the connection and reports it.
                Poll::Ready(Err(_)) => break,
            }
        }
        self.bytes.clear();
        self.sent = 0;
        give_back(&mut self.bytes);
    }
}

/// What became ready.
#[derive(Clone, Copy)]
enum Signal {
    Socket(Token),
    Listener(usize),
}

/// The signals since the last turn. Only one thread ever touches it: the lock makes it a safe waker, and is free.
#[derive(Default)]
struct Ready {
    signals: Mutex<(Vec<Signal>, Option<Waker>)>,
}

impl Ready {
    fn take(&self, turn: &mut Vec<Signal>, waker: &Waker) {
        let mut signals = self.lock();
        std::mem::swap(&mut signals.0, turn);
        signals.1.get_or_insert_with(|| waker.clone()).clone_from(waker);
    }

    fn raise(&self, signal: Signal) {
        let mut signals = self.lock();
        let first = signals.0.is_empty();
        signals.0.push(signal);
        if first && let Some(waker) = &signals.1 {
            waker.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<Signal>, Option<Waker>)> {
        self.signals.lock().expect("nothing panics while it holds this lock")
    }
}

struct Bell {
    signal: Signal,
    ready: Arc<Ready>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ready.raise(self.signal);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.raise(self.signal);
    }
}

/// A buffer that grew for one large burst must not stay with its connection.
fn give_back(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > KEPT_BYTES {
        *buffer = Vec::new();
    }
}

const BLOCK_BYTES: usize = 256 * 1024;
const KEPT_BYTES: usize = 256 * 1024;
