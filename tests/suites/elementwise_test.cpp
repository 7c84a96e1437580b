#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/ops.h"
#include "tests/expect_error.h"
#include "tests/suites/naive.h"
#include "tests/suites/problem.h"

namespace octet::suites {
namespace {

OCTET_SUITE(Elementwise);

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Function {
  std::string domain;
  std::string op;
  Attributes attributes;
  double (*exact)(double);
  std::vector<double> special;  ///< arguments beyond the random ones
};

const std::vector<Function>& functions() {
  static const std::vector<Function> all{
      {"", "Sigmoid", {}, naive_sigmoid, {kNan, kInfinity, -kInfinity, 30, -80}},
      {"", "Tanh", {}, std::tanh, {kNan, kInfinity, -kInfinity, 1e-6, -20}},
      {"", "Erf", {}, std::erf, {kNan, kInfinity, -kInfinity, 1e-6, 5}},
      {"", "Exp", {}, std::exp, {kNan, kInfinity, -kInfinity, 100, -100, 0}},
      {"", "Sqrt", {}, std::sqrt, {kNan, kInfinity, -1, 0, 1e-7, 60000}},
      {"", "Gelu", {}, naive_gelu, {kNan, kInfinity, 0, -10, 1e-5}},
      {"", "Gelu", {{"approximate", "tanh"}}, naive_gelu_tanh, {kNan, kInfinity, 0, -10}},
      {"octet", "QuickGelu", {}, naive_quick_gelu, {kNan, kInfinity, 0, -40, 1e-5}},
  };
  return all;
}

TEST_P(Elementwise, Functions) {
  for (const Function& function : functions()) {
    SCOPED_TRACE(function.op);
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      Array x = random_array(dtype, {7, 113}, 1, -6, 6);
      for (size_t i = 0; i < function.special.size(); ++i) {
        x.values[i * 31] = round_to(dtype, function.special[i]);
      }
      const Array y = solve(GetParam(), {function.domain, function.op, function.attributes, {x}});
      expect_close(y, map(x, function.exact));
    }
  }
}

struct Pair {
  Shape a;
  Shape b;
};

const std::vector<Pair>& pairs() {
  static const std::vector<Pair> all{
      {{5}, {5}},
      {{}, {3, 2}},
      {{4, 1, 33}, {7, 1}},
      {{2, 3, 4, 5}, {5}},
      {{1, 1}, {1}},
      {{3, 1}, {1, 300}},
      {{2, 5, 65}, {1, 65}},
      {{6, 257}, {6, 257}},
      {{1, 4, 1, 2}, {3, 1, 5, 1}},
  };
  return all;
}

using Arithmetic = double (*)(double, double);

struct Operation {
  std::string op;
  Arithmetic exact;
};

const std::vector<Operation>& operations() {
  static const std::vector<Operation> all{
      {"Add", [](double a, double b) { return a + b; }},
      {"Sub", [](double a, double b) { return a - b; }},
      {"Mul", [](double a, double b) { return a * b; }},
      {"Div", [](double a, double b) { return a / b; }},
  };
  return all;
}

/// A sum, product or quotient is rounded exactly once.
TEST_P(Elementwise, ArithmeticBroadcastsAndRoundsOnce) {
  for (const Operation& operation : operations()) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      for (const Pair& pair : pairs()) {
        SCOPED_TRACE(operation.op + " " + to_string(pair.a) + " " + to_string(pair.b));
        const Array a = random_array(dtype, pair.a, 2, -3, 3);
        const Array b = random_array(dtype, pair.b, 3, 0.25, 3);
        const Array y = solve(GetParam(), {"", operation.op, {}, {a, b}});
        expect_equal(y, as(dtype, map(a, b, operation.exact)));
      }
    }
  }
}

TEST_P(Elementwise, ArithmeticOnSpecialValues) {
  const Array a = array_of(DType::f16, {6}, {kInfinity, kInfinity, kNan, 65504, -65504, 0});
  const Array b = array_of(DType::f16, {6}, {-kInfinity, 1, 1, 65504, 65504, -0.0});
  for (const Operation& operation : operations()) {
    SCOPED_TRACE(operation.op);
    const Array y = solve(GetParam(), {"", operation.op, {}, {a, b}});
    expect_equal(y, as(DType::f16, map(a, b, operation.exact)));
  }
}

TEST_P(Elementwise, IntegerArithmetic) {
  for (const DType dtype : {DType::i64, DType::i32}) {
    const Array a = random_integers(dtype, {3, 5}, 4, -100, 100);
    const Array b = random_integers(dtype, {5}, 5, 1, 9);
    for (const Operation& operation : operations()) {
      SCOPED_TRACE(operation.op);
      const Array y = solve(GetParam(), {"", operation.op, {}, {a, b}});
      expect_equal(y, map(map(a, b, operation.exact), [](double v) { return std::trunc(v); }));
    }
  }
}

TEST_P(Elementwise, IntegerDivisionByZeroNamesTheNode) {
  if (!reports_bad_values(GetParam())) GTEST_SKIP() << "its kernels report nothing";
  const Array a = array_of(DType::i64, {2}, {1, 2});
  const Array b = array_of(DType::i64, {2}, {1, 0});
  test::expect_error(ErrorCode::bad_input, {"'node'", "zero"}, [&] {
    static_cast<void>(solve(GetParam(), {"", "Div", {}, {a, b}}));
  });
}

TEST_P(Elementwise, Power) {
  const Array a = random_array(DType::f32, {4, 9}, 6, 0.1, 4);
  const Array b = random_array(DType::f32, {9}, 7, -3, 3);
  const auto power = [](double base, double exponent) { return std::pow(base, exponent); };
  expect_close(solve(GetParam(), {"", "Pow", {}, {a, b}}), map(a, b, power));
}

TEST_P(Elementwise, Equal) {
  const auto same = [](double a, double b) { return a == b ? 1.0 : 0.0; };
  for (const DType dtype : {DType::i64, DType::i32, DType::f16, DType::boolean}) {
    const Array a = random_integers(dtype, {6, 7}, 8, 0, 1);
    const Array b = random_integers(dtype, {1, 7}, 9, 0, 1);
    expect_equal(solve(GetParam(), {"", "Equal", {}, {a, b}}), as(DType::boolean, map(a, b, same)));
  }
  const Array nan = array_of(DType::f32, {2}, {kNan, 1});
  expect_equal(solve(GetParam(), {"", "Equal", {}, {nan, nan}}),
               array_of(DType::boolean, {2}, {0, 1}));
}

TEST_P(Elementwise, Where) {
  const Array condition = random_integers(DType::boolean, {3, 1, 5}, 10, 0, 1);
  for (const DType dtype : {DType::f32, DType::f16, DType::i64}) {
    const Array a = random_integers(dtype, {4, 5}, 11, -9, 9);
    const Array b = random_integers(dtype, {}, 12, -9, 9);
    Array expected = zeros(dtype, {3, 4, 5});
    for (int64_t i = 0; i < expected.count(); ++i) {
      const Shape at = coordinates(i, expected.shape);
      expected[i] = broadcast_at(condition, at) != 0 ? broadcast_at(a, at) : broadcast_at(b, at);
    }
    expect_equal(solve(GetParam(), {"", "Where", {}, {condition, a, b}}), expected);
  }
}

Array cast(const std::string& backend, const Array& x, DType to) {
  return solve(backend, {"", "Cast", {{"to", onnx_code_of(to)}}, {x}});
}

TEST_P(Elementwise, CastBetweenFloats) {
  Array x = random_array(DType::f32, {301}, 13, -500, 500);
  x.values[0] = kNan;
  x.values[1] = kInfinity;
  x.values[2] = -1e6;
  x.values[3] = 65520;                // halfway to the first number that f16 lacks
  x.values[4] = 0x1p-10;              // halfway between 0 and the smallest E4M3 number
  x.values[5] = 0x1.8p-24 + 0x1p-40;  // above halfway between the two smallest f16 numbers
  for (const DType to : {DType::f16, DType::bf16, DType::f8e4m3}) {
    const Array narrow = cast(GetParam(), x, to);
    expect_equal(narrow, as(to, x));
    expect_equal(cast(GetParam(), narrow, DType::f32), as(DType::f32, narrow));
  }
}

TEST_P(Elementwise, CastFloatsToIntegersTruncates) {
  const Array x = array_of(DType::f32, {8}, {1.9, -1.9, 0, 1e20, -1e20, kNan, 2147483648.0, 7});
  expect_equal(cast(GetParam(), x, DType::i32),
               array_of(DType::i32, {8}, {1, -1, 0, 2147483647, -2147483648.0, 0, 2147483647, 7}));
  expect_equal(cast(GetParam(), x, DType::boolean),
               array_of(DType::boolean, {8}, {1, 1, 0, 1, 1, 1, 1, 1}));
}

TEST_P(Elementwise, CastIntegers) {
  const Array x = array_of(DType::i64, {5}, {0, 1, -3, 2049, 40000});
  expect_equal(cast(GetParam(), x, DType::i32), as(DType::i32, x));
  expect_equal(cast(GetParam(), x, DType::f16), as(DType::f16, x));
  expect_equal(cast(GetParam(), x, DType::boolean), array_of(DType::boolean, {5}, {0, 1, 1, 1, 1}));
  const Array truth = array_of(DType::boolean, {3}, {1, 0, 1});
  expect_equal(cast(GetParam(), truth, DType::i64), as(DType::i64, truth));
  expect_equal(cast(GetParam(), truth, DType::f32), as(DType::f32, truth));
}

TEST_P(Elementwise, SymbolicBatch) {
  const Array a = random_array(DType::f32, {5, 3, 11}, 14);
  const Array b = random_array(DType::f32, {3, 1}, 15);
  Prepared prepared(GetParam(), Problem{"", "Add", {}, {Feed(a, {"batch", 3, 11}), b}});
  const auto sum = [](double x, double y) { return x + y; };
  for (const int64_t batch : {1, 5, 2}) {
    const Array part = first_rows(a, batch);
    expect_equal(prepared.run({part, b}).front(), as(DType::f32, map(part, b, sum)));
  }
}

}  // namespace
}  // namespace octet::suites
