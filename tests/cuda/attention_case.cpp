#include "tests/cuda/attention_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/error.h"
#include "base/threads.h"
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
int64_t rows_of_sample(const AttentionCase& c, int index) {
  if (!c.problem.ragged) return c.problem.max_rows;
  return c.rows[static_cast<size_t>(index % c.distinct) % c.rows.size()];
}
std::vector<Place> places_of(const AttentionCase& c) {
  std::vector<Place> places;
  int64_t begin = c.problem.ragged ? 2 : 0;  // ragged samples need not start at row 0
  for (int i = 0; i < c.batch; ++i) {
    const int64_t rows = rows_of_sample(c, i);
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
struct SampleValues {
  int64_t rows = 0;
  std::vector<float> q;
  std::vector<float> k;
  std::vector<float> v;
};

SampleValues random_sample(const AttentionCase& c, int64_t rows, float code_scale, uint32_t seed) {
  const Spread spread = spread_of(c.scores);
  Source source(c.problem.dtype, seed);
  SampleValues data;
  data.rows = rows;
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

/// One query row of one head.
void attend_row(const AttentionProblem& problem, const AttentionScales& scales,
                const SampleValues& sample, int64_t row, int64_t head_column, double* y) {
  const int64_t width = width_of(problem);
  const auto keys = static_cast<size_t>(problem.causal ? row + 1 : sample.rows);
  const auto at = [&](const std::vector<float>& values, int64_t token) {
    return &values[static_cast<size_t>(token * width + head_column)];
  };
  std::vector<double> scores(keys);
  const float* q = at(sample.q, row);
  for (size_t key = 0; key < keys; ++key) {
    const float* k = at(sample.k, static_cast<int64_t>(key));
    for (int d = 0; d < problem.head_dim; ++d) scores[key] += double{q[d]} * k[d];
  }
  const std::vector<double> p = probabilities(problem, scales, std::move(scores));
  for (size_t key = 0; key < keys; ++key) {
    const float* v = at(sample.v, static_cast<int64_t>(key));
    for (int d = 0; d < problem.head_dim; ++d) y[d] += p[key] * v[d];
  }
  for (int d = 0; d < problem.head_dim; ++d) y[d] *= scales.v;
}

/// The result before the output's scale.
std::vector<double> attend(const AttentionProblem& problem, const AttentionScales& scales,
                           const SampleValues& sample) {
  const int64_t queries = problem.pooled_query ? 1 : sample.rows;
  std::vector<double> y(static_cast<size_t>(queries * width_of(problem)));
  parallel_for(queries * problem.heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      attend_row(problem, scales, sample, task / problem.heads,
                 task % problem.heads * problem.head_dim,
                 &y[static_cast<size_t>(task * problem.head_dim)]);
    }
  });
  return y;
}

std::vector<std::byte> stored(DType dtype, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * size_of(dtype));
  convert_from_f32(dtype, values, bytes);
  return bytes;
}

/// Copies a row of a sample to where a kernel looks for it.
void place_row(const AttentionProblem& p, const std::vector<std::byte>& values, int64_t row,
               std::vector<std::byte>& to, int64_t element) {
  const size_t size = size_of(p.dtype);
  const size_t bytes = static_cast<size_t>(width_of(p)) * size;
  std::memcpy(&to[static_cast<size_t>(element) * size], &values[static_cast<size_t>(row) * bytes],
              bytes);
}

/// Columns `token` on of the transposed V, whose rows hold `features`.
void place_transposed(const AttentionProblem& p, const AttentionSample& sample,
                      const std::vector<int64_t>& features, int64_t token,
                      std::vector<std::byte>& v) {
  const int64_t width = width_of(p);
  for (int64_t r = 0; r < width; ++r) {
    std::byte* to = &v[static_cast<size_t>(r * p.v_pitch + token)];
    const std::byte* from = &sample.v[static_cast<size_t>(features[static_cast<size_t>(r)])];
    for (int64_t row = 0; row < sample.rows; ++row) to[row] = from[row * width];
  }
}

/// Puts a sample's rows where the kernels look for them.
void place_sample(const AttentionCase& c, const AttentionSample& sample, int index, int64_t token,
                  AttentionData& data) {
  const AttentionProblem& p = c.problem;
  if (p.pooled_query) place_row(p, sample.q, 0, data.q, index * p.q_pitch);
  for (int64_t row = 0; row < sample.rows; ++row) {
    const int64_t at = token + row;
    if (!p.pooled_query) place_row(p, sample.q, row, data.q, at * p.q_pitch);
    place_row(p, sample.k, row, data.q, data.k_offset + at * p.k_pitch);
    if (p.layout == AttentionLayout::rows) {
      place_row(p, sample.v, row, data.q, data.v_offset + at * p.v_pitch);
    }
  }
}

int64_t tokens_of(const std::vector<Place>& places) {
  return places.back().begin + places.back().rows;
}

}  // namespace

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

AttentionSamples make_samples(const AttentionCase& c) {
  const AttentionProblem& p = c.problem;
  const float code_scale = p.dtype == DType::f8e4m3 ? 5.5F / 448 : 1.0F;
  AttentionSamples samples;
  samples.scales = {1 / std::sqrt(static_cast<float>(p.head_dim)), code_scale,    code_scale,
                    c.identity_values ? 1.0F : code_scale,         kSoftmaxScale, 1};
  double highest = 0;
  for (int i = 0; i < std::min(c.batch, c.distinct); ++i) {
    const SampleValues values =
        random_sample(c, rows_of_sample(c, i), code_scale, static_cast<uint32_t>(i + 1));
    samples.distinct.push_back({values.rows, stored(p.dtype, values.q), stored(p.dtype, values.k),
                                stored(p.dtype, values.v), attend(p, samples.scales, values)});
    for (const double value : samples.distinct.back().y)
      highest = std::max(highest, std::abs(value));
  }
  if (p.out_dtype != DType::f8e4m3) return samples;
  samples.scales.y = c.identity_values ? kSoftmaxScale : static_cast<float>(highest / 448);
  for (AttentionSample& sample : samples.distinct) {
    for (double& value : sample.y) value /= samples.scales.y;
  }
  return samples;
}

AttentionData make_data(const AttentionCase& c, const AttentionSamples& samples) {
  const AttentionProblem& p = c.problem;
  const std::vector<Place> places = places_of(c);
  const int64_t width = width_of(p);
  const int64_t rows = rounded_up(tokens_of(places), 16);
  AttentionData data;
  const int64_t q_elements = p.pooled_query ? rounded_up(c.batch, 16) * p.q_pitch : 0;
  data.q.assign(static_cast<size_t>(q_elements + rows * p.k_pitch) * size_of(p.dtype), kPoison);
  data.k_offset = p.pooled_query ? q_elements : width;
  data.v_offset = data.k_offset + width;
  const bool transposed = p.layout == AttentionLayout::values_transposed;
  if (transposed) data.v.assign(static_cast<size_t>(width * p.v_pitch), kPoison);
  data.y_rows = p.pooled_query ? c.batch : rows;
  const std::vector<int64_t> features = value_row_order(p.heads, p.head_dim);
  for (int i = 0; i < c.batch; ++i) {
    const Place& place = places[static_cast<size_t>(i)];
    data.ranges.push_back(static_cast<int32_t>(place.begin));
    data.ranges.push_back(static_cast<int32_t>(place.begin + place.rows));
    data.first_rows.push_back(p.pooled_query ? i : place.begin);
  }
  parallel_for(c.batch, 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<int>(begin); i < end; ++i) {
      const AttentionSample& sample = samples.distinct[static_cast<size_t>(i % c.distinct)];
      const int64_t token = places[static_cast<size_t>(i)].begin;
      place_sample(c, sample, i, token, data);
      if (transposed) place_transposed(p, sample, features, token, data.v);
    }
  });
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

/// Sums over the values of one sample's output.
struct Sums {
  double difference = 0;
  double norm = 0;
  int64_t count = 0;
  int64_t unlike = 0;
  int64_t far = 0;
  int64_t not_numbers = 0;

  void add(const Sums& other) {
    difference += other.difference;
    norm += other.norm;
    count += other.count;
    unlike += other.unlike;
    far += other.far;
    not_numbers += other.not_numbers;
  }
};

/// `exact` in units of the output's scale.
void compare_value(DType dtype, double exact, double got, const std::byte* bytes, Sums& sums) {
  ++sums.count;
  if (std::isnan(got)) {
    ++sums.not_numbers;
    return;
  }
  double wanted = exact;
  if (dtype == DType::f8e4m3) {
    const uint8_t code = f32_to_e4m3(static_cast<float>(exact));
    const int codes = std::abs(rank_of(std::to_integer<uint8_t>(*bytes)) - rank_of(code));
    sums.unlike += codes > 0 ? 1 : 0;
    sums.far += codes > 1 ? 1 : 0;
    wanted = e4m3_to_f32(code);
  } else if (std::abs(got - exact) > std::abs(exact) / 256 + 1e-4) {
    ++sums.unlike;
  }
  sums.difference += (got - wanted) * (got - wanted);
  sums.norm += wanted * wanted;
}

Sums compared_sample(DType dtype, const std::vector<double>& exact, const std::byte* bytes) {
  const size_t size = size_of(dtype);
  std::vector<float> got(exact.size());
  convert_to_f32(dtype, {bytes, exact.size() * size}, got);
  Sums sums;
  for (size_t i = 0; i < exact.size(); ++i) {
    compare_value(dtype, exact[i], got[i], bytes + i * size, sums);
  }
  return sums;
}

Comparison compared(const AttentionCase& c, const AttentionSamples& samples,
                    const AttentionData& data, const std::vector<std::byte>& y) {
  const DType dtype = c.problem.out_dtype;
  const size_t row_bytes = static_cast<size_t>(width_of(c.problem)) * size_of(dtype);
  const auto sample_at = [&](size_t i) -> const std::vector<double>& {
    return samples.distinct[i % static_cast<size_t>(c.distinct)].y;
  };
  const auto bytes_at = [&](size_t i) {
    return static_cast<size_t>(data.first_rows[i]) * row_bytes;
  };
  std::vector<Sums> parts(data.first_rows.size());
  parallel_for(std::ssize(parts), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      parts[i] = compared_sample(dtype, sample_at(i), &y[bytes_at(i)]);
    }
  });
  Comparison comparison;
  Sums sums;
  size_t end = 0;  // of what the samples before have
  const auto count_trespasses = [&](size_t next) {
    comparison.trespasses += std::count_if(y.begin() + static_cast<ptrdiff_t>(end),
                                           y.begin() + static_cast<ptrdiff_t>(next),
                                           [](std::byte b) { return b != kPoison; });
  };
  for (size_t i = 0; i < parts.size(); ++i) {
    sums.add(parts[i]);
    count_trespasses(bytes_at(i));
    end = bytes_at(i) + sample_at(i).size() * size_of(dtype);
  }
  count_trespasses(y.size());
  comparison.relative = std::sqrt(sums.difference / sums.norm);
  comparison.codes_unlike = static_cast<double>(sums.unlike) / static_cast<double>(sums.count);
  comparison.codes_far = static_cast<double>(sums.far) / static_cast<double>(sums.count);
  comparison.not_numbers = sums.not_numbers;
  return comparison;
}

}  // namespace

Comparison run_case(const Device& device, const AttentionCase& c, const AttentionSamples& samples,
                    const AttentionData& data, const AttentionTactic& tactic, int runs) {
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
    launch(nullptr, function, c.problem, tactic, {operands, samples.scales, c.batch});
    const std::vector<std::byte> bytes = y.download();
    check(first.empty() || first == bytes, "run {} differs from the first", run);
    first = bytes;
  }
  return compared(c, samples, data, first);
}

}  // namespace octet::cuda
