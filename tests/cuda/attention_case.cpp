#include "tests/cuda/attention_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/error.h"
#include "tensor/codecs.h"

namespace octet::cuda {
namespace {

constexpr std::byte kPoison{0x7f};  // NaN as E4M3, and as FP16 in pairs
constexpr float kSoftmaxScale = 1.0F / 448;
constexpr int kGuardRows = 3;  // behind the output

int64_t rounded_up(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

int width_of(const AttentionProblem& problem) {
  return problem.heads * problem.head_dim;
}

/// First row and number of rows of every sample.
struct Place {
  int64_t begin = 0;
  int64_t rows = 0;
};
std::vector<Place> places_of(const AttentionCase& c) {
  std::vector<Place> places;
  int64_t begin = c.problem.ragged ? 2 : 0;  // ragged samples need not start at row 0
  for (int i = 0; i < c.batch; ++i) {
    const int64_t rows = c.problem.ragged
                             ? c.rows[static_cast<size_t>(i % c.distinct) % c.rows.size()]
                             : c.problem.max_rows;
    places.push_back({begin, rows});
    begin += rows;
  }
  return places;
}

/// Values that the dtype holds.
class Source {
 public:
  Source(DType dtype, uint32_t seed) : dtype_(dtype), random_(seed) {}

  float operator()(double mean, double deviation) {
    const auto value = static_cast<float>(std::normal_distribution(mean, deviation)(random_));
    return dtype_ == DType::f8e4m3 ? e4m3_to_f32(f32_to_e4m3(value)) : round_to_f16(value);
  }

 private:
  DType dtype_;
  std::mt19937 random_;
};

struct Spread {
  double q_mean = 0;
  double k_mean = 0;
  double deviation = 1;
};
Spread spread_of(Scores scores) {
  switch (scores) {
    case Scores::normal:
      return {0, 0, 1};
    case Scores::sharp:
      return {0, 0, 2};
    case Scores::flat:
      return {0, 0, 0.25};
    case Scores::huge:
      return {0, 0, 8};
    case Scores::negative:
      return {1, -1, 0.3};
  }
  return {};
}

/// One sample's q, k and v, [rows, width] each, as codes' values.
struct SampleData {
  std::vector<float> q;
  std::vector<float> k;
  std::vector<float> v;
  std::vector<double> y;  ///< before the output's scale
};

SampleData random_sample(const AttentionCase& c, int64_t rows, float code_scale, uint32_t seed) {
  const Spread spread = spread_of(c.scores);
  Source source(c.problem.dtype, seed);
  SampleData data;
  const int width = width_of(c.problem);
  for (int64_t i = 0; i < rows * width; ++i) {
    data.q.push_back(source(spread.q_mean / code_scale, spread.deviation / code_scale));
    data.k.push_back(source(spread.k_mean / code_scale, spread.deviation / code_scale));
    data.v.push_back(source(0, 1 / code_scale));
  }
  if (!c.identity_values) return data;
  // Head h shows the probabilities of keys [head_dim * h, head_dim * (h + 1)), in turn.
  const int64_t depth = c.problem.head_dim;
  const int64_t parts = (rows + depth - 1) / depth;
  for (int64_t i = 0; i < rows * width; ++i) {
    const int64_t key = i / width;
    const int64_t head = i % width / depth;
    data.v[static_cast<size_t>(i)] = key == head % parts * depth + i % depth ? 1.0F : 0.0F;
  }
  return data;
}

std::vector<double> probabilities(const AttentionProblem& problem, const AttentionScales& scales,
                                  std::vector<double> scores) {
  for (double& score : scores) score *= double{scales.scale} * scales.q * scales.k;
  const double peak = std::ranges::max(scores);
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - peak);
  for (double& p : scores) {
    p /= sum;
    if (problem.quantized) {
      p = double{e4m3_to_f32(f32_to_e4m3(static_cast<float>(p / scales.softmax)))} * scales.softmax;
    }
  }
  return scores;
}

void attend(const AttentionProblem& problem, const AttentionScales& scales, int64_t rows,
            SampleData& data) {
  const int64_t width = width_of(problem);
  const int64_t queries = problem.pooled_query ? 1 : rows;
  data.y.assign(static_cast<size_t>(queries * width), 0);
  for (int64_t task = 0; task < queries * problem.heads; ++task) {
    const int64_t row = task / problem.heads;
    const int64_t head = task % problem.heads * problem.head_dim;
    const int64_t keys = problem.causal ? row + 1 : rows;
    std::vector<double> scores(static_cast<size_t>(keys));
    for (int64_t key = 0; key < keys; ++key) {
      const float* q = &data.q[static_cast<size_t>(row * width + head)];
      const float* k = &data.k[static_cast<size_t>(key * width + head)];
      double sum = 0;
      for (int d = 0; d < problem.head_dim; ++d) sum += double{q[d]} * k[d];
      scores[static_cast<size_t>(key)] = sum;
    }
    const std::vector<double> p = probabilities(problem, scales, std::move(scores));
    double* y = &data.y[static_cast<size_t>(row * width + head)];
    for (int64_t key = 0; key < keys; ++key) {
      const float* v = &data.v[static_cast<size_t>(key * width + head)];
      for (int d = 0; d < problem.head_dim; ++d) y[d] += p[static_cast<size_t>(key)] * v[d];
    }
    for (int d = 0; d < problem.head_dim; ++d) y[d] *= scales.v;
  }
}

void store(DType dtype, std::span<const float> values, std::vector<std::byte>& bytes,
           int64_t element) {
  const size_t size = size_of(dtype);
  convert_from_f32(
      dtype, values,
      std::span(bytes).subspan(static_cast<size_t>(element) * size, values.size() * size));
}

/// Puts a sample's rows where the kernels look for them.
void place_sample(const AttentionCase& c, const SampleData& sample, int index, const Place& place,
                  AttentionData& data) {
  const AttentionProblem& p = c.problem;
  const int64_t width = width_of(p);
  const auto row_of = [&](const std::vector<float>& values, int64_t row) {
    return std::span(values).subspan(static_cast<size_t>(row * width), static_cast<size_t>(width));
  };
  if (p.pooled_query) store(p.dtype, row_of(sample.q, 0), data.q, index * p.q_pitch);
  const int64_t token = place.begin;
  for (int64_t row = 0; row < place.rows; ++row) {
    if (!p.pooled_query) store(p.dtype, row_of(sample.q, row), data.q, (token + row) * p.q_pitch);
    store(p.dtype, row_of(sample.k, row), data.q, data.k_offset + (token + row) * p.k_pitch);
    if (p.layout == AttentionLayout::rows) {
      store(p.dtype, row_of(sample.v, row), data.q, data.v_offset + (token + row) * p.v_pitch);
    }
  }
  if (p.layout == AttentionLayout::rows) return;
  const std::vector<int64_t> features = value_row_order(p.heads, p.head_dim);
  for (int64_t r = 0; r < width; ++r) {
    for (int64_t row = 0; row < place.rows; ++row) {
      const auto at = static_cast<size_t>(row * width + features[static_cast<size_t>(r)]);
      store(p.dtype, std::span(sample.v).subspan(at, 1), data.v, r * p.v_pitch + token + row);
    }
  }
}

int64_t tokens_of(const std::vector<Place>& places) {
  return places.back().begin + places.back().rows;
}

}  // namespace

AttentionCase prepared(AttentionCase c) {
  AttentionProblem& p = c.problem;
  const int64_t width = width_of(p);
  p.q_pitch = p.k_pitch = p.v_pitch = 3 * width;
  if (p.pooled_query) p.q_pitch = width;
  if (p.layout == AttentionLayout::values_transposed) {
    p.q_pitch = p.k_pitch = 2 * width;
    p.v_pitch = rounded_up(tokens_of(places_of(c)), 16) + 32;
  }
  return c;
}

AttentionData make_data(const AttentionCase& c) {
  const AttentionProblem& p = c.problem;
  const std::vector<Place> places = places_of(c);
  const int64_t width = width_of(p);
  const int64_t rows = rounded_up(tokens_of(places), 16);
  AttentionData data;
  const bool codes = p.dtype == DType::f8e4m3;
  const float code_scale = codes ? 5.5F / 448 : 1.0F;
  data.scales = {1 / std::sqrt(static_cast<float>(p.head_dim)), code_scale,    code_scale,
                 c.identity_values ? 1.0F : code_scale,         kSoftmaxScale, 1};
  const int64_t q_elements = p.pooled_query ? rounded_up(c.batch, 16) * p.q_pitch : 0;
  data.q.assign(static_cast<size_t>(q_elements + rows * p.k_pitch) * size_of(p.dtype), kPoison);
  data.k_offset = p.pooled_query ? q_elements : width;
  data.v_offset = data.k_offset + width;
  if (p.layout == AttentionLayout::values_transposed) {
    data.v.assign(static_cast<size_t>(width * p.v_pitch), kPoison);
  }
  data.y_rows = p.pooled_query ? c.batch : rows;
  data.y.assign(static_cast<size_t>(data.y_rows * width), 0);
  data.written.assign(static_cast<size_t>(data.y_rows), false);
  std::vector<SampleData> samples;
  for (int i = 0; i < std::min(c.batch, c.distinct); ++i) {
    const int64_t sample_rows = places[static_cast<size_t>(i)].rows;
    samples.push_back(random_sample(c, sample_rows, code_scale, static_cast<uint32_t>(i + 1)));
    attend(p, data.scales, sample_rows, samples.back());
  }
  double highest = 0;
  for (const SampleData& sample : samples) {
    for (const double value : sample.y) highest = std::max(highest, std::abs(value));
  }
  if (p.out_dtype == DType::f8e4m3) {
    data.scales.y = c.identity_values ? kSoftmaxScale : static_cast<float>(highest / 448);
  }
  for (int i = 0; i < c.batch; ++i) {
    const SampleData& sample = samples[static_cast<size_t>(i % c.distinct)];
    const Place& place = places[static_cast<size_t>(i)];
    place_sample(c, sample, i, place, data);
    data.ranges.push_back(static_cast<int32_t>(place.begin));
    data.ranges.push_back(static_cast<int32_t>(place.begin + place.rows));
    const int64_t first = p.pooled_query ? i : place.begin;
    for (size_t e = 0; e < sample.y.size(); ++e) {
      data.y[static_cast<size_t>(first * width) + e] = sample.y[e] / data.scales.y;
      data.written[static_cast<size_t>(first) + e / static_cast<size_t>(width)] = true;
    }
  }
  return data;
}

namespace {

/// Bytes on the device.
class Buffer {
 public:
  Buffer(const Device& device, std::span<const std::byte> bytes)
      : bytes_(bytes.size()), data_(allocate_device(device, bytes.size())) {
    check_cuda(driver().copy_to_device(address_of(data_.get()), bytes.data(), bytes_, nullptr),
               "copying to the device");
  }
  [[nodiscard]] std::byte* data() const { return data_.get(); }
  void fill(std::byte value) const {
    check_cuda(driver().fill_bytes(address_of(data_.get()), std::to_integer<uint8_t>(value), bytes_,
                                   nullptr),
               "filling device memory");
  }
  [[nodiscard]] std::vector<std::byte> download() const {
    std::vector<std::byte> bytes(bytes_);
    check_cuda(driver().copy_to_host(bytes.data(), address_of(data_.get()), bytes_, nullptr),
               "copying from the device");
    check_cuda(driver().stream_wait(nullptr), "waiting for the device");
    return bytes;
  }

 private:
  size_t bytes_;
  std::shared_ptr<std::byte> data_;
};

/// Place of a code among all E4M3 codes in order of value.
int rank_of(uint8_t code) {
  const int magnitude = code & 0x7f;
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

void compare_value(DType dtype, double wanted, double got, const std::byte* bytes,
                   Comparison& comparison) {
  if (dtype == DType::f8e4m3) {
    const int difference = std::abs(rank_of(std::to_integer<uint8_t>(*bytes)) -
                                    rank_of(f32_to_e4m3(static_cast<float>(wanted))));
    comparison.codes_unlike += difference > 0 ? 1 : 0;
    comparison.codes_far += difference > 1 ? 1 : 0;
  } else if (std::abs(got - wanted) > std::abs(wanted) / 256 + 1e-4) {
    comparison.codes_unlike += 1;
  }
}

Comparison compared(const AttentionCase& c, const AttentionData& data,
                    const std::vector<std::byte>& y) {
  const DType dtype = c.problem.out_dtype;
  const auto width = static_cast<size_t>(width_of(c.problem));
  const size_t size = size_of(dtype);
  std::vector<float> got(y.size() / size);
  convert_to_f32(dtype, y, got);
  Comparison comparison;
  double difference = 0;
  double norm = 0;
  double count = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (i / width >= data.written.size() || !data.written[i / width]) {
      for (size_t b = 0; b < size; ++b) comparison.trespasses += y[i * size + b] != kPoison ? 1 : 0;
      continue;
    }
    count += 1;
    if (std::isnan(got[i])) {
      ++comparison.not_numbers;
      continue;
    }
    const double wanted = dtype == DType::f8e4m3
                              ? double{e4m3_to_f32(f32_to_e4m3(static_cast<float>(data.y[i])))}
                              : data.y[i];
    difference += (got[i] - wanted) * (got[i] - wanted);
    norm += wanted * wanted;
    compare_value(dtype, wanted, got[i], &y[i * size], comparison);
  }
  comparison.relative = std::sqrt(difference / norm);
  comparison.codes_unlike /= count;
  comparison.codes_far /= count;
  return comparison;
}

}  // namespace

Comparison run_case(const Device& device, const AttentionCase& c, const AttentionData& data,
                    const AttentionTactic& tactic, int runs) {
  const CompiledKernel kernel =
      compile_kernel(source(c.problem, tactic), device.properties().arch());
  const Function function(device, kernel.cubin, source(c.problem, tactic).entry);
  const size_t size = size_of(c.problem.dtype);
  const Buffer q(device, data.q);
  const Buffer v(device, data.v);
  const Buffer ranges(device, std::as_bytes(std::span(data.ranges)));
  const std::vector<std::byte> poison(
      static_cast<size_t>((data.y_rows + kGuardRows) * width_of(c.problem)) *
          size_of(c.problem.out_dtype),
      kPoison);
  const Buffer y(device, poison);
  const bool transposed = c.problem.layout == AttentionLayout::values_transposed;
  const AttentionOperands operands{
      q.data(), q.data() + static_cast<size_t>(data.k_offset) * size,
      transposed ? v.data() : q.data() + static_cast<size_t>(data.v_offset) * size, ranges.data(),
      y.data()};
  std::vector<std::byte> first;
  for (int run = 0; run < runs; ++run) {
    y.fill(kPoison);
    launch(nullptr, function, c.problem, tactic, {operands, data.scales, c.batch});
    const std::vector<std::byte> bytes = y.download();
    check(first.empty() || first == bytes, "run {} differs from the first", run);
    first = bytes;
  }
  return compared(c, data, first);
}

}  // namespace octet::cuda
