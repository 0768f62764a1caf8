//! The terminal while it is ours: its alternate screen, keys as they are pressed, and all as it was at the end,
//! however that comes.

use std::io::{self, Read};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Alternate screen, no cursor, no line wrap.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

/// What a person, the window or the system asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum Input {
    Key(u8),
    Resized,
    /// Ctrl-C, or a signal that ends programs.
    Stop,
}

/// The terminal is ours until this is dropped, or until a panic.
pub(in crate::cli) struct Terminal {
    before: Option<Termios>,
}

impl Terminal {
    /// Takes it, and hands what comes from it to `inputs` as `wrap` makes of it.
    pub(in crate::cli) fn take<E: Send + 'static>(inputs: Sender<E>, wrap: fn(Input) -> E) -> io::Result<Self> {
        let signals = Signals::catch()?;
        // Without keys there is still a screen.
        let before = tcgetattr(io::stdin()).ok();
        let restore = before.clone();
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back(restore.as_ref());
            next(panic);
        }));
        let terminal = Self { before };
        if let Some(before) = &terminal.before {
            let mut keys = before.clone();
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            // A program that was stopped would leave its screen behind.
            keys.special_codes[SpecialCodeIndex::VSUSP] = 0;
            tcsetattr(io::stdin(), OptionalActions::Now, &keys)?;
            let sender = inputs.clone();
            thread::spawn(move || read_keys(&sender, wrap));
        }
        write(ENTER)?;
        thread::spawn(move || signals.read(&inputs, wrap));
        Ok(terminal)
    }

    /// Columns and rows.
    pub(in crate::cli) fn size() -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (80, 24),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The hook has done it already, and said why.
        if !thread::panicking() {
            give_back(self.before.as_ref());
        }
    }
}

/// Past the lock of the standard output, which a thread that panics may not get.
fn write(bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = rest.get(rustix::io::write(io::stdout(), rest)?..).unwrap_or_default();
    }
    Ok(())
}

/// Nothing can be done about a terminal that is gone.
fn give_back(before: Option<&Termios>) {
    let _ = write(LEAVE);
    if let Some(before) = before {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
    }
}

/// Ends with the input, or when nobody listens any more.
fn read_keys<E>(inputs: &Sender<E>, wrap: fn(Input) -> E) {
    for key in io::stdin().lock().bytes() {
        let Ok(key) = key else { return };
        if inputs.send(wrap(Input::Key(key))).is_err() {
            return;
        }
    }
}

/// Signals that are caught from now on.
struct Signals {
    runtime: Runtime,
    stop: [Signal; 3],
    resized: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let stop = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
        let resized = signal(SignalKind::window_change())?;
        drop(context);
        Ok(Self { runtime, stop, resized })
    }

    /// Ends when nobody listens any more.
    fn read<E>(self, inputs: &Sender<E>, wrap: fn(Input) -> E) {
        let Self { runtime, stop: [mut interrupt, mut terminate, mut hangup], mut resized } = self;
        runtime.block_on(async {
            loop {
                let input = tokio::select! {
                    _ = interrupt.recv() => Input::Stop,
                    _ = terminate.recv() => Input::Stop,
                    _ = hangup.recv() => Input::Stop,
                    _ = resized.recv() => Input::Resized,
                };
                if inputs.send(wrap(input)).is_err() {
                    return;
                }
            }
        });
    }
}
