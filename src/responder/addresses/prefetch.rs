//! Tells the processor which memory will be looked at soon.
//!
//! A lookup among a million addresses waits for memory about as long as the rest of an answer takes. The lookups of
//! packets that were read together can wait at the same time, but only if something says so before they are answered:
//! plain loads that nothing uses hold back what comes behind them. Nothing safe reaches the instruction.

/// Has the cache lines of `value` fetched; nothing happens on processors for which there is no such instruction here.
#[inline]
pub(super) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const CACHE_LINE: usize = 64;

        let first = std::ptr::from_ref(value).cast::<i8>();
        for offset in (0..size_of::<T>()).step_by(CACHE_LINE) {
            #[allow(unsafe_code, reason = "a prefetch reads nothing and never fails, whatever the address")]
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(offset));
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
