//! What a linked firmware image for a Cortex-M core can do: which functions it has, which call which, whether one computes in
//! floating point, and how deep the stack can get.
//!
//! Read from the symbols and from the few Thumb instructions that move the stack pointer, call, or are a floating-point unit's.
//! Whatever else moves the stack pointer or calls is an error, not a guess; jumps through the compiler's tables stay in their
//! function. Only two functions of the runtime's sums call through pointers, which are those of their kernels.

use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::collections::{BTreeMap, BTreeSet};

/// An image's functions, by address.
#[derive(Clone, Debug)]
pub struct Image {
    functions: BTreeMap<u64, Function>,
    /// Addresses of the handlers in the table of vectors, each once.
    handlers: BTreeSet<u64>,
}

/// What is known of a function.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its symbols: several functions of equal code are one.
    pub names: Vec<String>,
    /// Bytes of stack it takes at most: all that it pushes or subtracts anywhere, but for what it gives back before it branches.
    pub frame: u64,
    /// Instructions of a floating-point unit.
    pub floats: usize,
    size: u64,
    /// While it is read: what it has taken, and how much of that since the last branch.
    taken: u64,
    since_branch: u64,
    /// Addresses of the functions that it calls or goes on in.
    calls: Vec<u64>,
    /// Calls through a register.
    through_pointers: Vec<String>,
    /// What this reader cannot follow.
    unknown: Vec<String>,
}

/// The functions that call kernels through pointers, as symbols name them, and how the names of these kernels begin.
const CALLS_KERNELS: [(&str, &str); 2] = [
    ("spikelet_runtime3arm4sums8add_rows", "spikelet_sum"),
    ("spikelet_runtime3arm4sums8each_row", "spikelet_graded"),
];

/// What the core stacks when an interrupt comes in code without floating point, and what keeps the stack divisible by 8.
pub const EXCEPTION_FRAME: u64 = 32 + 4;

/// Handlers in the table of vectors that are no interrupts: the start, and what ends the program.
const NO_INTERRUPTS: [&str; 3] = ["Reset", "HardFault", "DefaultHandler_"];

/// A chain of calls and the stack that it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Bytes.
    pub bytes: u64,
    /// The functions on it, the first called first, each with its bytes.
    pub chain: Vec<(String, u64)>,
}

impl Image {
    /// Reads an ELF file.
    ///
    /// # Panics
    /// If it is none, or not of Thumb code with symbols.
    pub fn read(elf: &[u8]) -> Self {
        let file = object::File::parse(elf).unwrap();
        let mut functions = BTreeMap::<u64, Function>::new();
        let mut marks = BTreeMap::new();
        for symbol in file.symbols() {
            let name = symbol.name().unwrap_or_default();
            if name.starts_with("$t") || name.starts_with("$d") {
                marks.insert(symbol.address(), name.starts_with("$t"));
            } else if symbol.kind() == SymbolKind::Text && !symbol.is_undefined() {
                // The lowest bit says that it is Thumb.
                let function = functions.entry(symbol.address() & !1).or_default();
                function.names.push(name.to_owned());
                function.size = function.size.max(symbol.size());
            }
        }
        let starts: Vec<u64> = functions.keys().copied().collect();
        for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
            let (first, bytes) = (section.address(), section.data().unwrap());
            for (&start, function) in functions.range_mut(first..first + bytes.len() as u64) {
                // Hand-written ones may not tell their size.
                let next = starts.iter().copied().find(|&other| other > start).unwrap_or(u64::MAX);
                let end = if function.size > 0 { start + function.size } else { next };
                let end = end.min(first + bytes.len() as u64);
                let code = Code { bytes, first, marks: &marks };
                function.scan(&code, start, end);
            }
        }
        assert!(!marks.is_empty() && functions.values().any(|function| function.frame > 0), "no Thumb code");
        let table = file.section_by_name(".vector_table").expect("the start is in a table");
        // The first word is where the stack begins; the lowest bit of an address says that it is Thumb; 0 is reserved.
        let words = table.data().unwrap().chunks_exact(4).skip(1);
        let addresses = words.map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap()) & !1));
        let handlers = addresses.filter(|&address| address != 0).collect();
        Self { functions, handlers }
    }

    /// How deep each interrupt's handler can get, by its names.
    ///
    /// # Errors
    /// As [`Image::depth`].
    pub fn interrupts(&self) -> Result<Vec<(String, u64)>, String> {
        let mut interrupts = Vec::new();
        for &handler in &self.handlers {
            let function =
                self.functions.get(&handler).ok_or_else(|| format!("no handler begins at {handler:#x}"))?;
            if !function.names.iter().any(|name| NO_INTERRUPTS.contains(&name.as_str())) {
                let depth = self.depth_at(handler, &mut Vec::new(), &mut BTreeMap::new())?;
                interrupts.push((function.names.join(" = "), depth.bytes));
            }
        }
        Ok(interrupts)
    }

    /// Every function.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }

    /// Names of all functions of which a name holds one of `words`.
    pub fn named<'i>(&'i self, words: &'i [&str]) -> impl Iterator<Item = &'i str> {
        let names = self.functions().flat_map(|function| &function.names).map(String::as_str);
        names.filter(|name| words.iter().any(|word| name.contains(word)))
    }

    /// Names of the functions that can be reached from one named `start` without those of which a name holds one of `without`, and
    /// that call, or go on in, one of which a name holds one of `words`. Calls through pointers are not followed.
    ///
    /// # Errors
    /// A sentence if there is no such function.
    pub fn leading_to(&self, start: &str, without: &[&str], words: &[&str]) -> Result<Vec<String>, String> {
        let holds = |function: &Function, words: &[&str]| {
            function.names.iter().any(|name| words.iter().any(|word| name.contains(word)))
        };
        let found =
            self.functions.iter().find(|(_, function)| function.names.iter().any(|name| name == start));
        let mut open = vec![*found.ok_or_else(|| format!("there is no function {start}"))?.0];
        let (mut seen, mut leading) = (BTreeSet::new(), Vec::new());
        while let Some(address) = open.pop() {
            let Some(function) = self.functions.get(&address).filter(|_| seen.insert(address)) else {
                continue;
            };
            let callees = function.calls.iter().filter_map(|call| self.functions.get_key_value(call));
            let callees = callees.filter(|(_, callee)| !holds(callee, without));
            let (ends, rest): (Vec<_>, Vec<_>) = callees.partition(|(_, callee)| holds(callee, words));
            if !ends.is_empty() {
                leading.push(function.names.join(" = "));
            }
            open.extend(rest.iter().map(|(address, _)| **address));
        }
        Ok(leading)
    }

    /// The deepest chain of calls from a function on.
    ///
    /// # Errors
    /// A sentence if there is no such function, if the chain has no bound, or if it cannot be followed.
    pub fn depth(&self, name: &str) -> Result<Depth, String> {
        let mut known = BTreeMap::new();
        let of_name = |function: &Function| function.names.iter().any(|of| of == name);
        let found = self.functions.iter().find(|(_, function)| of_name(function));
        let (&start, _) = found.ok_or_else(|| format!("there is no function {name}"))?;
        let mut depth = self.depth_at(start, &mut Vec::new(), &mut known)?;
        depth.chain.reverse();
        Ok(depth)
    }

    /// The same with the chain reversed; `above` are the functions that lead here, `known` the results so far.
    fn depth_at(
        &self,
        address: u64,
        above: &mut Vec<u64>,
        known: &mut BTreeMap<u64, Depth>,
    ) -> Result<Depth, String> {
        if let Some(depth) = known.get(&address) {
            return Ok(depth.clone());
        }
        let function =
            self.functions.get(&address).ok_or_else(|| format!("no function begins at {address:#x}"))?;
        let name = function.names.join(" = ");
        if above.contains(&address) {
            return Err(format!("{name} calls itself"));
        }
        if !function.unknown.is_empty() {
            return Err(format!("{name}: {}", function.unknown.join(", ")));
        }
        let mut callees = function.calls.clone();
        if !function.through_pointers.is_empty() {
            let Some((_, kernels)) = CALLS_KERNELS.iter().find(|(caller, _)| name.contains(caller)) else {
                return Err(format!("{name}: {}", function.through_pointers.join(", ")));
            };
            let kernel = |name: &String| name.starts_with(kernels);
            let kernels = self.functions.iter().filter(|(_, function)| function.names.iter().any(kernel));
            callees.extend(kernels.map(|(&address, _)| address));
        }
        above.push(address);
        let mut deepest = Depth::default();
        for callee in callees {
            let depth = self.depth_at(callee, above, known)?;
            if depth.bytes >= deepest.bytes {
                deepest = depth;
            }
        }
        above.pop();
        deepest.bytes += function.frame;
        deepest.chain.push((name, function.frame));
        known.insert(address, deepest.clone());
        Ok(deepest)
    }
}

/// A section of code.
struct Code<'c> {
    bytes: &'c [u8],
    first: u64,
    /// Where code (true) and where data begin in it.
    marks: &'c BTreeMap<u64, bool>,
}

impl Code<'_> {
    fn half(&self, address: u64) -> Option<u32> {
        let at = usize::try_from(address - self.first).ok()?;
        Some(u16::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?).into())
    }

    fn is_code(&self, address: u64) -> bool {
        self.marks.range(..=address).next_back().is_none_or(|(_, &code)| code)
    }
}

impl Function {
    /// Reads the instructions from `start` to `end`.
    fn scan(&mut self, code: &Code<'_>, start: u64, end: u64) {
        let mut at = start;
        while at < end {
            let Some(half) = code.half(at).filter(|_| code.is_code(at)) else {
                at += 2;
                continue;
            };
            if half >> 11 < 0b11101 {
                self.narrow(half, at, start..end);
                at += 2;
            } else {
                self.wide(half, code.half(at + 2).unwrap_or(0), at, start..end);
                at += 4;
            }
        }
    }

    fn take(&mut self, bytes: u32) {
        self.taken += u64::from(bytes);
        self.since_branch += u64::from(bytes);
        self.frame = self.frame.max(self.taken);
    }

    fn give_back(&mut self, bytes: u32) {
        let bytes = u64::from(bytes).min(self.since_branch);
        self.taken -= bytes;
        self.since_branch -= bytes;
    }

    /// An instruction of 16 bits.
    fn narrow(&mut self, half: u32, at: u64, own: std::ops::Range<u64>) {
        let register = (half >> 3) & 15;
        if half & 0xFE00 == 0xB400 {
            // push {…}
            self.take(4 * (half & 0x1FF).count_ones());
        } else if half & 0xFE00 == 0xBC00 {
            // pop {…}
            self.give_back(4 * (half & 0x1FF).count_ones());
        } else if half & 0xFF80 == 0xB080 {
            // sub sp, #…
            self.take(4 * (half & 0x7F));
        } else if half & 0xFF80 == 0xB000 {
            // add sp, #…
            self.give_back(4 * (half & 0x7F));
        } else if matches!(half & 0xFF87, 0x4485 | 0x4685) {
            self.unknown.push(format!("the stack pointer is set from r{register} at {at:#x}"));
        } else if half & 0xFF80 == 0x4780 || (half & 0xFF80 == 0x4700 && register != 14) {
            self.through_pointers.push(format!("a call through r{register} at {at:#x}"));
        } else if half & 0xFF87 == 0x4687 || half & 0xF500 == 0xB100 {
            // mov pc, …; cbz, cbnz
            self.since_branch = 0;
        } else if half & 0xF800 == 0xE000 {
            self.jump(at, signed(half & 0x7FF, 11) * 2, own);
        } else if half & 0xF000 == 0xD000 && half & 0xF00 < 0xE00 {
            self.jump(at, signed(half & 0xFF, 8) * 2, own);
        }
    }

    /// An instruction of 32 bits.
    fn wide(&mut self, high: u32, low: u32, at: u64, own: std::ops::Range<u64>) {
        let [s, j1, j2] = [high >> 10 & 1, low >> 13 & 1, low >> 11 & 1];
        let immediate = high >> 10 & 1;
        let twelve = immediate << 11 | (low >> 12 & 7) << 8 | low & 0xFF;
        if high & 0xEC00 == 0xEC00 && low & 0xE00 == 0xA00 {
            // Coprocessors 10 and 11 are the floating-point unit.
            self.floats += 1;
        }
        if high == 0xE92D {
            // push.w {…}
            self.take(4 * low.count_ones());
        } else if high == 0xE8BD {
            // pop.w {…}
            self.give_back(4 * low.count_ones());
        } else if high == 0xF84D && low & 0xF00 == 0xD00 {
            // str …, [sp, #-…]!
            self.take(low & 0xFF);
        } else if high == 0xE96D {
            // strd …, [sp, #-…]!
            self.take(4 * (low & 0xFF));
        } else if high & 0xFBFF == 0xF2AD && low & 0x8F00 == 0xD00 {
            // subw sp, sp, #…
            self.take(twelve);
        } else if high & 0xFBEF == 0xF1AD && low & 0x8F00 == 0xD00 {
            // sub.w sp, sp, #…
            self.take(expanded(twelve));
        } else if high & 0xFFEF == 0xEBAD && low & 0xF00 == 0xD00 {
            self.unknown.push(format!("a register is taken from the stack pointer at {at:#x}"));
        } else if high & 0xFFF0 == 0xE8D0 && low & 0xFFE0 == 0xF000 {
            // tbb, tbh
            self.since_branch = 0;
        } else if high & 0xF800 == 0xF000 && matches!(low & 0xD000, 0xD000 | 0x9000) {
            // bl, b.w
            let [i1, i2] = [j1, j2].map(|j| 1 ^ j ^ s);
            let bits = s << 23 | i1 << 22 | i2 << 21 | (high & 0x3FF) << 11 | low & 0x7FF;
            let distance = signed(bits, 24) * 2;
            if low & 0xD000 == 0xD000 && own.contains(&(at + 4).wrapping_add_signed(distance)) {
                self.unknown.push(format!("it calls itself at {at:#x}"));
            }
            self.jump(at, distance, own);
        } else if high & 0xF800 == 0xF000 && low & 0xD000 == 0x8000 && high >> 6 & 15 < 14 {
            // b.w of a condition
            let bits = s << 19 | j2 << 18 | j1 << 17 | (high & 0x3F) << 11 | low & 0x7FF;
            self.jump(at, signed(bits, 20) * 2, own);
        }
    }

    /// A call, or a jump, which is one if it leaves the function. A jump to its own start is a loop.
    fn jump(&mut self, at: u64, distance: i64, own: std::ops::Range<u64>) {
        self.since_branch = 0;
        let target = (at + 4).wrapping_add_signed(distance);
        if !own.contains(&target) && !self.calls.contains(&target) {
            self.calls.push(target);
        }
    }
}

/// The lowest bits of a word, as a signed number.
fn signed(bits: u32, count: u32) -> i64 {
    i64::from((bits << (32 - count)) as i32 >> (32 - count))
}

/// The constant that Thumb's 12 bits of a modified immediate stand for.
fn expanded(bits: u32) -> u32 {
    let byte = bits & 0xFF;
    match bits >> 8 {
        0 => byte,
        1 => byte << 16 | byte,
        2 => byte << 24 | byte << 8,
        3 => byte * 0x0101_0101,
        _ => (0x80 | bits & 0x7F).rotate_right(bits >> 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the assembler of the Arm manual makes of them.
    #[test]
    fn instructions_are_read() {
        let mut function = Function::default();
        let own = 0x100..0x200;
        function.narrow(0xB5F0, 0x100, own.clone()); // push {r4-r7, lr}
        assert_eq!(function.frame, 20);
        function.narrow(0xB08D, 0x100, own.clone()); // sub sp, #52
        assert_eq!(function.frame, 72);
        function.wide(0xE92D, 0x4FF0, 0x100, own.clone()); // push.w {r4-r11, lr}
        assert_eq!(function.frame, 108);
        function.wide(0xF5AD, 0x7D40, 0x100, own.clone()); // sub.w sp, sp, #768
        assert_eq!(function.frame, 876);
        function.wide(0xF2AD, 0x4D04, 0x100, own.clone()); // subw sp, sp, #1028
        assert_eq!(function.frame, 1904);
        function.wide(0xF84D, 0xBD04, 0x100, own.clone()); // str.w fp, [sp, #-4]!
        assert_eq!(function.frame, 1908);
        function.wide(0xE96D, 0x4502, 0x100, own.clone()); // strd r4, r5, [sp, #-8]!
        assert_eq!(function.frame, 1916);
        function.narrow(0xB403, 0x100, own.clone()); // push {r0, r1}
        function.narrow(0xBC03, 0x100, own.clone()); // pop {r0, r1}
        function.narrow(0xB403, 0x100, own.clone()); // push {r0, r1}
        assert_eq!(function.frame, 1924);
        function.narrow(0xD1CA, 0x180, own.clone()); // bne .-0x68
        function.narrow(0xBC03, 0x100, own.clone()); // pop {r0, r1}
        function.narrow(0xB401, 0x100, own.clone()); // push {r0}
        assert_eq!(function.frame, 1928);
        function.narrow(0x4770, 0x100, own.clone()); // bx lr
        function.narrow(0xE7FE, 0x104, own.clone()); // b .
        function.wide(0xFB21, 0x3002, 0x100, own.clone()); // smlad r0, r1, r2, r3
        assert!(function.calls.is_empty() && function.unknown.is_empty() && function.floats == 0);
        function.wide(0xF000, 0xF87E, 0x180, own.clone()); // bl .+0x100
        function.wide(0xF7FF, 0xBF7E, 0x180, own.clone()); // b.w .-0x100
        assert_eq!(function.calls, [0x280, 0x80]);
        function.wide(0xF7FF, 0xFFFE, 0x180, own.clone()); // bl .
        assert_eq!((function.calls.len(), function.unknown.len()), (2, 1));
        function.narrow(0x4798, 0x100, own.clone()); // blx r3
        function.narrow(0x46A5, 0x100, own.clone()); // mov sp, r4
        assert_eq!((function.unknown.len(), function.through_pointers.len()), (2, 1));
        function.wide(0xEE30, 0x0A01, 0x100, own.clone()); // vadd.f32 s0, s0, s2
        function.wide(0xED2D, 0x8B02, 0x100, own); // vpush {d8}
        assert_eq!(function.floats, 2);
    }
}
