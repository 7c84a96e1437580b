#pragma once

#include <functional>

#include "tests/suites/array.h"

namespace octet::suites {

// Coordinates and loops from which the naive references are made: slow, plain, in double.

/// Coordinates of element `index` of a row-major array.
Shape coordinates(int64_t index, const Shape& shape);
/// The inverse.
int64_t index_of(const Shape& coordinates, const Shape& shape);

/// NumPy's broadcast shape of two shapes that fit.
Shape broadcast_shape(const Shape& a, const Shape& b);
/// The element of `array` that stands at `coordinates` of a shape it is broadcast to.
double broadcast_at(const Array& array, const Shape& coordinates);

/// function(x) for every element, not rounded.
Array map(const Array& x, const std::function<double(double)>& function);
/// function(a, b) over broadcast operands, not rounded.
Array map(const Array& a, const Array& b, const std::function<double(double, double)>& function);

/// Matrix product over the last two axes, the others broadcast; not rounded.
Array product(const Array& a, const Array& b);

double naive_sigmoid(double x);
double naive_quick_gelu(double x);
/// As three operators of an FP16 graph, each rounded.
double naive_quick_gelu_in_f16(double x);
double naive_gelu(double x);
double naive_gelu_tanh(double x);

/// The first `rows` along axis 0.
Array first_rows(const Array& array, int64_t rows);
/// Columns [begin, end) along the last axis.
Array columns(const Array& array, int64_t begin, int64_t end);
/// The same elements as another dtype's array, rounded.
Array as(DType dtype, const Array& array);
/// value / scale for every element: what an E4M3 output's codes stand for.
Array divided(const Array& array, double scale);

}  // namespace octet::suites
