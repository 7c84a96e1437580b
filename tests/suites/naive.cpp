#include "tests/suites/naive.h"

#include <algorithm>
#include <cmath>

namespace octet::suites {

Shape coordinates(int64_t index, const Shape& shape) {
  Shape result(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    result[axis] = index % shape[axis];
    index /= shape[axis];
  }
  return result;
}

int64_t index_of(const Shape& coordinates, const Shape& shape) {
  int64_t index = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    index = index * shape[axis] + coordinates[axis];
  }
  return index;
}

Shape broadcast_shape(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()), 1);
  for (const Shape* shape : {&a, &b}) {
    const size_t lead = result.size() - shape->size();
    for (size_t axis = 0; axis < shape->size(); ++axis) {
      if ((*shape)[axis] != 1) result[lead + axis] = (*shape)[axis];
    }
  }
  return result;
}

double broadcast_at(const Array& array, const Shape& coordinates) {
  const size_t lead = coordinates.size() - array.shape.size();
  Shape own(coordinates.begin() + static_cast<int64_t>(lead), coordinates.end());
  for (size_t axis = 0; axis < own.size(); ++axis) {
    if (array.shape[axis] == 1) own[axis] = 0;
  }
  return array[index_of(own, array.shape)];
}

Array map(const Array& x, const std::function<double(double)>& function) {
  Array y = x;
  std::ranges::transform(x.values, y.values.begin(), function);
  return y;
}

Array map(const Array& a, const Array& b, const std::function<double(double, double)>& function) {
  Array y = zeros(a.dtype, broadcast_shape(a.shape, b.shape));
  for (int64_t i = 0; i < y.count(); ++i) {
    const Shape at = coordinates(i, y.shape);
    y[i] = function(broadcast_at(a, at), broadcast_at(b, at));
  }
  return y;
}

Array product(const Array& a, const Array& b) {
  const Shape batch =
      broadcast_shape({a.shape.begin(), a.shape.end() - 2}, {b.shape.begin(), b.shape.end() - 2});
  Shape shape = batch;
  shape.push_back(a.shape[a.shape.size() - 2]);
  shape.push_back(b.shape.back());
  Array y = zeros(a.dtype, shape);
  for (int64_t i = 0; i < y.count(); ++i) {
    const Shape at = coordinates(i, shape);
    Shape left = at;
    Shape right = at;
    for (int64_t k = 0; k < a.shape.back(); ++k) {
      left.back() = k;
      right[right.size() - 2] = k;
      y[i] += broadcast_at(a, left) * broadcast_at(b, right);
    }
  }
  return y;
}

double naive_sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
double naive_quick_gelu(double x) {
  return x * naive_sigmoid(1.702 * x);
}
double naive_quick_gelu_in_f16(double x) {
  const double inner = round_to(DType::f16, round_to(DType::f16, 1.702) * x);
  return round_to(DType::f16, x * round_to(DType::f16, naive_sigmoid(inner)));
}

double naive_gelu(double x) {
  return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5)));
}
double naive_gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

Array first_rows(const Array& array, int64_t rows) {
  Array part = array;
  part.shape[0] = rows;
  part.values.resize(static_cast<size_t>(element_count(part.shape)));
  return part;
}

Array columns(const Array& array, int64_t begin, int64_t end) {
  const int64_t width = array.shape.back();
  Array result{array.dtype, array.shape, {}};
  result.shape.back() = end - begin;
  for (int64_t row = 0; row < array.count(); row += width) {
    const auto first = array.values.begin() + row;
    result.values.insert(result.values.end(), first + begin, first + end);
  }
  return result;
}

Array as(DType dtype, const Array& array) {
  return array_of(dtype, array.shape, array.values);
}

Array divided(const Array& array, double scale) {
  return map(array, [scale](double value) { return value / scale; });
}

}  // namespace octet::suites
