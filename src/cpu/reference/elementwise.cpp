#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "cpu/reference/activation.h"
#include "cpu/reference/families.h"
#include "cpu/reference/rows.h"
#include "cpu/reference/strides.h"

namespace octet::cpu::reference {
namespace {

/// Elements that are handled at once, on the stack.
constexpr int64_t kChunk = 256;

/// body(begin, count) for consecutive chunks of [0, count), shared among threads.
template <typename Body>
void for_each_chunk(int64_t count, const Body& body) {
  for_each_row((count + kChunk - 1) / kChunk, kChunk, [&](int64_t chunk) {
    const int64_t begin = chunk * kChunk;
    body(begin, std::min(kChunk, count - begin));
  });
}

/// y = function(x) in FP32.
void map_floats(const KernelArgs& args, Activation function) {
  for_each_chunk(args.outputs[0].count(), [&](int64_t begin, int64_t count) {
    std::array<float, kChunk> buffer{};
    const std::span<float> values(buffer.data(), static_cast<size_t>(count));
    load_row(args.inputs[0], begin, values);
    for (float& value : values) value = function(value);
    store_row(args.outputs[0], begin, values);
  });
}

template <Activation kFunction>
class Map : public Kernel {
 public:
  explicit Map(const InferenceContext& context) { static_cast<void>(context); }
  void run(const KernelArgs& args) const override { map_floats(args, kFunction); }
};

class Gelu : public Kernel {
 public:
  explicit Gelu(const InferenceContext& context)
      : function_(context.node.text("approximate", "none") == "tanh" ? gelu_tanh : gelu) {}
  void run(const KernelArgs& args) const override { map_floats(args, function_); }

 private:
  Activation function_;
};

float tangent(float x) {
  return static_cast<float>(std::tanh(static_cast<double>(x)));
}
float error_function(float x) {
  return static_cast<float>(std::erf(static_cast<double>(x)));
}
float exponential(float x) {
  return static_cast<float>(std::exp(static_cast<double>(x)));
}
float square_root(float x) {
  return std::sqrt(x);
}

/// One operand of a broadcast, read along the last axis of the output.
class BroadcastReader {
 public:
  BroadcastReader(const Operand& input, const Operand& output)
      : input_(input),
        outer_(output.extents.data(), output.rank == 0 ? 0 : output.rank - 1),
        strides_(broadcast_strides(input, output)) {}

  /// Elements [begin, begin + values.size()) of row `row` of the output.
  template <typename T>
  void load(int64_t row, int64_t begin, std::span<T> values) const {
    const int64_t start = offset_of(row, outer_, strides_);
    if (strides_[outer_.size()] == 1) {
      load_row(input_, start + begin, values);
    } else {
      load_row(input_, start, values.first(1));
      std::ranges::fill(values, values.front());
    }
  }

 private:
  const Operand& input_;
  std::span<const int64_t> outer_;
  Strides strides_;
};

/// y = Function(a, b) over broadcast operands, computed in T and stored as Result.
template <typename T, typename Result, typename Function>
void map_pairs(const KernelArgs& args, const Function& function) {
  const Operand& y = args.outputs[0];
  const BroadcastReader a(args.inputs[0], y);
  const BroadcastReader b(args.inputs[1], y);
  for_each_row(y.rows(), y.last(), [&](int64_t row) {
    std::array<T, kChunk> left{};
    std::array<T, kChunk> right{};
    std::array<Result, kChunk> result{};
    for (int64_t begin = 0; begin < y.last(); begin += kChunk) {
      const auto count = static_cast<size_t>(std::min(kChunk, y.last() - begin));
      a.load(row, begin, std::span(left.data(), count));
      b.load(row, begin, std::span(right.data(), count));
      for (size_t i = 0; i < count; ++i) result[i] = function(left[i], right[i]);
      store_row(y, row * y.last() + begin, std::span<const Result>(result.data(), count));
    }
  });
}

/// Integers wrap around, as ONNX leaves open and every processor does.
int64_t wrapped(uint64_t value) {
  return static_cast<int64_t>(value);
}

struct Sum {
  float operator()(float a, float b) const { return a + b; }
  int64_t operator()(int64_t a, int64_t b) const {
    return wrapped(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
};

struct Difference {
  float operator()(float a, float b) const { return a - b; }
  int64_t operator()(int64_t a, int64_t b) const {
    return wrapped(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  }
};

struct Product {
  float operator()(float a, float b) const { return a * b; }
  int64_t operator()(int64_t a, int64_t b) const {
    return wrapped(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};

struct Quotient {
  float operator()(float a, float b) const { return a / b; }
  int64_t operator()(int64_t a, int64_t b) const {
    if (b == 0) fail_input("an integer is divided by zero");
    return b == -1 ? wrapped(0 - static_cast<uint64_t>(a)) : a / b;
  }
};

template <typename Function>
class Arithmetic : public Kernel {
 public:
  explicit Arithmetic(const InferenceContext& context) : name_(context.node.name) {}

  void run(const KernelArgs& args) const override {
    if (is_float(args.outputs[0].dtype)) {
      map_pairs<float, float>(args, Function{});
    } else {
      with_context(fmt::format("node '{}'", name_),
                   [&] { map_pairs<int64_t, int64_t>(args, Function{}); });
    }
  }

 private:
  std::string name_;
};

class Power : public Kernel {
 public:
  explicit Power(const InferenceContext& context) { static_cast<void>(context); }
  void run(const KernelArgs& args) const override {
    map_pairs<float, float>(args, [](float a, float b) {
      return static_cast<float>(std::pow(static_cast<double>(a), static_cast<double>(b)));
    });
  }
};

class Equal : public Kernel {
 public:
  explicit Equal(const InferenceContext& context) { static_cast<void>(context); }
  void run(const KernelArgs& args) const override {
    if (is_float(args.inputs[0].dtype)) {
      map_pairs<float, int64_t>(args, [](float a, float b) { return int64_t{a == b}; });
    } else {
      map_pairs<int64_t, int64_t>(args, [](int64_t a, int64_t b) { return int64_t{a == b}; });
    }
  }
};

class Where : public Kernel {
 public:
  explicit Where(const InferenceContext& context) { static_cast<void>(context); }

  void run(const KernelArgs& args) const override {
    const Operand& y = args.outputs[0];
    const size_t size = size_of(y.dtype);
    std::array<Strides, 3> strides{};
    for (size_t i = 0; i < 3; ++i) strides[i] = broadcast_strides(args.inputs[i], y);
    for_each_row(y.count(), 1, [&](int64_t index) {
      const int64_t condition = offset_of(index, extents_of(y), strides[0]);
      const size_t taken = args.inputs[0].as<uint8_t>()[condition] != 0 ? 1 : 2;
      const auto from = static_cast<size_t>(offset_of(index, extents_of(y), strides[taken]));
      std::memcpy(y.data + static_cast<size_t>(index) * size, args.inputs[taken].data + from * size,
                  size);
    });
  }
};

/// Towards zero; what does not fit becomes the nearest integer that does, NaN becomes 0.
int64_t truncated(float value, int64_t lowest, int64_t highest) {
  if (std::isnan(value)) return 0;
  if (value <= static_cast<float>(lowest)) return lowest;
  if (value >= static_cast<float>(highest)) return highest;
  return static_cast<int64_t>(value);
}

class Cast : public Kernel {
 public:
  explicit Cast(const InferenceContext& context) { static_cast<void>(context); }

  void run(const KernelArgs& args) const override {
    const bool from_float = is_float(args.inputs[0].dtype);
    for_each_chunk(args.outputs[0].count(), [&](int64_t begin, int64_t count) {
      if (from_float) {
        cast_floats(args, begin, count);
      } else {
        cast_integers(args, begin, count);
      }
    });
  }

 private:
  static void cast_floats(const KernelArgs& args, int64_t begin, int64_t count) {
    const Operand& y = args.outputs[0];
    std::array<float, kChunk> values{};
    const std::span<float> loaded(values.data(), static_cast<size_t>(count));
    load_row(args.inputs[0], begin, loaded);
    if (y.dtype == DType::i64 || y.dtype == DType::i32) {
      const bool wide = y.dtype == DType::i64;
      using Wide = std::numeric_limits<int64_t>;
      using Narrow = std::numeric_limits<int32_t>;
      std::array<int64_t, kChunk> whole{};
      for (size_t i = 0; i < loaded.size(); ++i) {
        whole[i] = truncated(loaded[i], wide ? Wide::min() : Narrow::min(),
                             wide ? Wide::max() : Narrow::max());
      }
      store_row(y, begin, std::span<const int64_t>(whole.data(), loaded.size()));
    } else {
      store_row(y, begin, loaded);
    }
  }

  static void cast_integers(const KernelArgs& args, int64_t begin, int64_t count) {
    const Operand& y = args.outputs[0];
    std::array<int64_t, kChunk> values{};
    const std::span<int64_t> loaded(values.data(), static_cast<size_t>(count));
    load_row(args.inputs[0], begin, loaded);
    if (!is_float(y.dtype)) {
      store_row(y, begin, loaded);
      return;
    }
    std::array<float, kChunk> floats{};
    std::ranges::transform(loaded, floats.begin(), [](int64_t v) { return static_cast<float>(v); });
    store_row(y, begin, std::span<const float>(floats.data(), loaded.size()));
  }
};

constexpr std::array kKernels{
    entry<Arithmetic<Sum>>("reference.Add", "", "Add"),
    entry<Arithmetic<Difference>>("reference.Sub", "", "Sub"),
    entry<Arithmetic<Product>>("reference.Mul", "", "Mul"),
    entry<Arithmetic<Quotient>>("reference.Div", "", "Div"),
    entry<Power>("reference.Pow", "", "Pow"),
    entry<Equal>("reference.Equal", "", "Equal"),
    entry<Where>("reference.Where", "", "Where"),
    entry<Cast>("reference.Cast", "", "Cast"),
    entry<Map<sigmoid>>("reference.Sigmoid", "", "Sigmoid"),
    entry<Map<tangent>>("reference.Tanh", "", "Tanh"),
    entry<Map<error_function>>("reference.Erf", "", "Erf"),
    entry<Map<exponential>>("reference.Exp", "", "Exp"),
    entry<Map<square_root>>("reference.Sqrt", "", "Sqrt"),
    entry<Gelu>("reference.Gelu", "", "Gelu"),
    entry<Map<quick_gelu>>("reference.QuickGelu", kOctetDomain, "QuickGelu"),
};

}  // namespace

std::span<const KernelEntry> elementwise_kernels() {
  return kKernels;
}

}  // namespace octet::cpu::reference
