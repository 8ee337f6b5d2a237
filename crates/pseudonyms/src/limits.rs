//! Every bound of pseudonyms, in one place.

/// The shortest key, in bytes: 128 bits, if they are random ones. Who knows one number and its pseudonym can try keys as
/// fast as they can hash.
pub const KEY_BYTES_MIN: usize = 16;

/// The longest key, in bytes: nobody types or draws more, and a longer file is some other file.
pub const KEY_BYTES_MAX: usize = 4096;

/// The fewest digits of a number that are replaced: among 1,000 numbers there is somebody to be mistaken for.
pub const RANGE_DIGITS_MIN: u8 = 3;

/// The most digits of a number that are replaced: what definitions take as `range_digits`.
pub const RANGE_DIGITS_MAX: u8 = 6;

/// Rounds of the Feistel network, an even number. FF1 of NIST SP 800-38G has 10; its authors want a million values or
/// more, and a range has 10,000. The known attacks on small domains need more known pairs with each round, so there are
/// twice as many.
pub const ROUNDS: u8 = 20;

/// The most digits that are permuted as one value: 10^18 is below 2^63, and sums of two halves are far below it.
pub(crate) const PERMUTED_DIGITS_MAX: usize = 18;

/// Steps of a walk before a number is given up. Ranges of up to four digits have no longer cycle. In larger ones a walk
/// that has not come to its like by then, among numbers of which one in a thousand is alike, happens once in 22,000.
pub(crate) const WALK_STEPS_MAX: u32 = 10_000;

/// Numbers whose pseudonyms are kept, some 200 bytes each: a number calls more than once.
pub(crate) const KEPT_MAX: usize = 200_000;
