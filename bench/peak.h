#pragma once

#include <string_view>

namespace octet::bench {

/// FLOP/s of multiply-adds on registers alone with every thread of `parallel_for`: f32 on the best
/// vector instructions of this machine.
double f32_peak();
/// The same for the exact E4M3 products of a matrix kernel set.
double e4m3_peak(std::string_view set);
/// Seconds that about `flops` of those take now, on every thread: what no run of as many can beat.
double e4m3_floor(std::string_view set, double flops);

}  // namespace octet::bench
