//! Gradients that all neurons of a layer share, added up over its neurons.

use super::Real;

/// Sums that are made side by side.
const CHAINS: usize = 4;

/// The shares of a timestep's neurons in some gradients that all neurons share, to be added up in the neurons' order. Each addition
/// waits for the one before it, so some sums are made at once.
pub struct Shares<R> {
    /// Those of each sum, one per neuron.
    shares: [Vec<R>; CHAINS],
    /// The gradient that each sum belongs to, and whether it begins with that instead of 0.
    sums: [(usize, bool); CHAINS],
    waiting: usize,
}

impl<R: Real> Shares<R> {
    /// For so many neurons.
    pub fn new(neurons: usize) -> Self {
        let shares = std::array::from_fn(|_| vec![R::ZERO; neurons]);
        Self { shares, sums: [(0, false); CHAINS], waiting: 0 }
    }

    /// Takes up each neuron's share in gradient `place`.
    #[inline(always)]
    pub fn take(&mut self, place: usize, goes_on: bool, gradients: &mut [R], share: impl Fn(usize) -> R) {
        let shares = &mut self.shares[self.waiting];
        for (k, place) in shares.iter_mut().enumerate() {
            *place = share(k);
        }
        self.sums[self.waiting] = (place, goes_on);
        self.waiting += 1;
        if self.waiting == CHAINS {
            self.add(gradients);
        }
    }

    /// Adds what was taken up.
    #[inline(always)]
    pub fn add(&mut self, gradients: &mut [R]) {
        let sums = self.sums;
        let start = |chain: usize| if sums[chain].1 { gradients[sums[chain].0] } else { R::ZERO };
        let (mut a, mut b, mut c, mut d) = (start(0), start(1), start(2), start(3));
        let [of_a, of_b, of_c, of_d] = &self.shares;
        for (((&of_a, &of_b), &of_c), &of_d) in of_a.iter().zip(of_b).zip(of_c).zip(of_d) {
            a += of_a;
            b += of_b;
            c += of_c;
            d += of_d;
        }
        for ((place, goes_on), sum) in sums.into_iter().zip([a, b, c, d]).take(self.waiting) {
            gradients[place] = if goes_on { sum } else { gradients[place] + sum };
        }
        self.waiting = 0;
    }
}
