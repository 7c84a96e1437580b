#include "eval/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"
#include "models/clip.h"
#include "tensor/codecs.h"
#include "tensor/metrics.h"

namespace octet::eval {
namespace {

using runtime::Operand;

/// Sums per-sample drifts into a summary.
class DriftSum {
 public:
  void add(const Drift& drift) {
    ++samples_;
    cosine_ += drift.cosine;
    minimum_ = std::min(minimum_, std::isnan(drift.cosine) ? -1.0 : drift.cosine);
    sqnr_ += std::min(drift.sqnr_db, kEqualSqnr);
    max_abs_ = std::max(max_abs_, drift.max_abs);
  }
  void add_codes(double differing, int64_t count) {
    differing_ += differing * static_cast<double>(count);
    codes_ += count;
  }
  [[nodiscard]] DriftSummary summary(std::string name) const {
    check(samples_ > 0, "no sample of '{}' was compared", name);
    const auto count = static_cast<double>(samples_);
    DriftSummary summary{std::move(name), samples_, cosine_ / count, minimum_,
                         sqnr_ / count,   max_abs_, std::nullopt};
    if (codes_ > 0) summary.differing_codes = differing_ / static_cast<double>(codes_);
    return summary;
  }

 private:
  static constexpr double kEqualSqnr = 200;  ///< stands for "equal" in a mean

  int64_t samples_ = 0;
  double cosine_ = 0;
  double minimum_ = 1;
  double sqnr_ = 0;
  double max_abs_ = 0;
  double differing_ = 0;
  int64_t codes_ = 0;
};

/// Where sample i of a value lies: in padded [batch, s, ...] or packed rows [tokens, ...].
class SampleRows {
 public:
  void set_ranges(const Operand& ranges) {
    const auto* bounds = ranges.as<int32_t>();
    bounds_.assign(bounds, bounds + ranges.count());
  }
  void clear() { bounds_.clear(); }

  /// Bytes of sample `i`; `shared_rows` limits a padded value to the rows that packing keeps.
  [[nodiscard]] std::span<std::byte> of(const Operand& value, int64_t i, bool packed) const {
    const size_t row_bytes = static_cast<size_t>(value.last()) * size_of(value.dtype);
    if (packed) {
      const auto begin = static_cast<size_t>(bounds_[static_cast<size_t>(2 * i)]);
      return {value.data + begin * row_bytes, rows(i) * row_bytes};
    }
    const size_t sample_bytes = value.size_bytes() / static_cast<size_t>(value.extent(0));
    std::span<std::byte> bytes(value.data + static_cast<size_t>(i) * sample_bytes, sample_bytes);
    const bool has_rows = !bounds_.empty() && value.rank >= 3;
    return has_rows ? bytes.first(rows(i) * row_bytes) : bytes;
  }

 private:
  [[nodiscard]] size_t rows(int64_t i) const {
    return static_cast<size_t>(bounds_[static_cast<size_t>(2 * i + 1)] -
                               bounds_[static_cast<size_t>(2 * i)]);
  }

  std::vector<int32_t> bounds_;
};

std::vector<float> as_floats(DType dtype, std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / size_of(dtype));
  convert_to_f32(dtype, bytes, values);
  return values;
}

class TowerCheck {
 public:
  TowerCheck(std::shared_ptr<const runtime::Engine> reference,
             std::shared_ptr<const runtime::Engine> candidate)
      : reference_(std::move(reference)),
        candidate_(std::move(candidate)),
        reference_session_(reference_),
        candidate_session_(candidate_),
        output_(candidate_->graph().value(candidate_->graph().outputs().front()).name) {
    blocks_ = models::block_outputs(reference_->graph());
    // An engine computes only the pooled row of the last block; the features show what came of it.
    if (!blocks_.empty() && !candidate_->graph().find_value(blocks_.back())) blocks_.pop_back();
    blocks_.push_back(output_);
  }

  void run(const Tensor& batch) {
    samples_ = batch.extent(0);
    run_reference(batch);
    run_blocks(batch);
    run_end_to_end(batch);
  }

  [[nodiscard]] TowerReport report(const VerifyTolerance& tolerance) const {
    TowerReport report;
    report.tower = reference_->graph().name();
    for (const std::string& name : blocks_)
      report.blocks.push_back(block_sums_.at(name).summary(name));
    report.end_to_end = end_sum_.summary(output_);
    report.first_failure = first_failure(report, tolerance);
    return report;
  }

 private:
  [[nodiscard]] bool is_block(const std::string& name) const {
    return std::ranges::count(blocks_, name) > 0;
  }

  void run_reference(const Tensor& batch) {
    const Graph& graph = reference_->graph();
    reference_values_.clear();
    reference_session_.set_hook(
        [&](const Node& node, std::span<const Operand>, std::span<const Operand> outputs) {
          const Value& value = graph.value(node.outputs.front());
          if (is_block(value.name) || value.dtype == DType::f8e4m3) {
            reference_values_[value.name] = runtime::to_tensor(outputs.front());
          }
        });
    reference_session_.run({&batch, 1});
  }

  /// Every block output is compared, then overwritten with the reference's.
  void run_blocks(const Tensor& batch) {
    const Graph& graph = candidate_->graph();
    rows_.clear();
    size_t block = 0;
    candidate_session_.set_hook(
        [&](const Node& node, std::span<const Operand>, std::span<const Operand> outputs) {
          if (node.is("RowRanges", kOctetDomain)) rows_.set_ranges(outputs.front());
          const Value& value = graph.value(node.outputs.front());
          const auto found = reference_values_.find(value.name);
          if (found == reference_values_.end() || block >= blocks_.size()) return;
          if (value.dtype == DType::f8e4m3) {
            compare_codes(outputs.front(), found->second, block_sums_[blocks_[block]]);
          } else if (value.name == blocks_[block]) {
            compare_value(outputs.front(), found->second, block_sums_[value.name]);
            overwrite(outputs.front(), found->second);
            ++block;
          }
        });
    candidate_session_.run({&batch, 1});
    check(block == blocks_.size(), "the engine has no value '{}'",
          block < blocks_.size() ? blocks_[block] : "");
  }

  void run_end_to_end(const Tensor& batch) {
    candidate_session_.set_hook({});
    const Operand& output = candidate_session_.run({&batch, 1}).front();
    compare_value(output, reference_values_.at(output_), end_sum_);
  }

  static bool is_packed(const Operand& value, const Operand& reference) {
    return value.rank < reference.rank;
  }

  void compare_value(const Operand& value, const Tensor& expected, DriftSum& sum) const {
    const Operand reference = runtime::view_of(expected);
    for (int64_t i = 0; i < samples_; ++i) {
      const auto ours = as_floats(value.dtype, rows_.of(value, i, is_packed(value, reference)));
      const auto theirs = as_floats(reference.dtype, rows_.of(reference, i, false));
      sum.add(compare(ours, theirs));
    }
  }

  void compare_codes(const Operand& value, const Tensor& expected, DriftSum& sum) const {
    const Operand reference = runtime::view_of(expected);
    for (int64_t i = 0; i < samples_; ++i) {
      const auto ours = rows_.of(value, i, is_packed(value, reference));
      const auto theirs = rows_.of(reference, i, false);
      if (ours.size() != theirs.size()) return;  // another layout of the same values
      const auto codes = [](std::span<std::byte> bytes) {
        return std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
      };
      sum.add_codes(differing_share(codes(ours), codes(theirs)), static_cast<int64_t>(ours.size()));
    }
  }

  void overwrite(const Operand& value, const Tensor& expected) const {
    const Operand reference = runtime::view_of(expected);
    for (int64_t i = 0; i < samples_; ++i) {
      const auto target = rows_.of(value, i, is_packed(value, reference));
      const auto source = as_floats(reference.dtype, rows_.of(reference, i, false));
      convert_from_f32(value.dtype, source, target);
    }
  }

  static std::string first_failure(const TowerReport& report, const VerifyTolerance& tolerance) {
    for (const DriftSummary& block : report.blocks) {
      if (block.mean_cosine < tolerance.block_mean ||
          block.minimum_cosine < tolerance.block_minimum) {
        return fmt::format(
            "{} leaves its tolerance: cosine mean {:.6f} (bar {}), minimum {:.6f} "
            "(bar {})",
            block.name, block.mean_cosine, tolerance.block_mean, block.minimum_cosine,
            tolerance.block_minimum);
      }
    }
    const DriftSummary& end = report.end_to_end;
    if (end.mean_cosine < tolerance.end_mean || end.minimum_cosine < tolerance.end_minimum) {
      return fmt::format(
          "{} end to end leaves its tolerance: cosine mean {:.6f} (bar {}), minimum "
          "{:.6f} (bar {})",
          end.name, end.mean_cosine, tolerance.end_mean, end.minimum_cosine, tolerance.end_minimum);
    }
    return {};
  }

  std::shared_ptr<const runtime::Engine> reference_;
  std::shared_ptr<const runtime::Engine> candidate_;
  runtime::Session reference_session_;
  runtime::Session candidate_session_;
  std::string output_;
  std::vector<std::string> blocks_;
  std::map<std::string, Tensor> reference_values_;
  std::map<std::string, DriftSum> block_sums_;
  DriftSum end_sum_;
  SampleRows rows_;
  int64_t samples_ = 0;
};

OrderedJson summary_json(const DriftSummary& summary) {
  OrderedJson json = {{"name", summary.name},
                      {"samples", summary.samples},
                      {"mean_cosine", summary.mean_cosine},
                      {"minimum_cosine", summary.minimum_cosine},
                      {"mean_sqnr_db", summary.mean_sqnr_db},
                      {"max_abs", summary.max_abs}};
  if (summary.differing_codes) json["differing_codes"] = *summary.differing_codes;
  return json;
}

}  // namespace

VerifyTolerance tolerance_for(std::string_view backend) {
  if (backend == "cuda") return {0.9995, 0.998, 0.998, 0.99};
  return {0.9999, 0.999, 0.998, 0.995};
}

VerifyTolerance with_bars(VerifyTolerance tolerance, const GivenBars& given) {
  tolerance.block_mean = given.block_mean.value_or(tolerance.block_mean);
  tolerance.block_minimum = given.block_minimum.value_or(tolerance.block_minimum);
  tolerance.end_mean = given.end_mean.value_or(tolerance.end_mean);
  tolerance.end_minimum = given.end_minimum.value_or(tolerance.end_minimum);
  return tolerance;
}

TowerReport verify_tower(std::shared_ptr<const runtime::Engine> reference,
                         std::shared_ptr<const runtime::Engine> candidate,
                         std::span<const Tensor> batches, const VerifyTolerance& tolerance,
                         const Progress& progress) {
  if (batches.empty()) fail(ErrorCode::usage, "verify needs at least one input");
  TowerCheck tower(std::move(reference), std::move(candidate));
  for (size_t i = 0; i < batches.size(); ++i) {
    throw_if_interrupted();
    tower.run(batches[i]);
    octet::report(progress, "verify", static_cast<int64_t>(i) + 1,
                  static_cast<int64_t>(batches.size()));
  }
  return tower.report(tolerance);
}

OrderedJson to_json(const TowerReport& report) {
  OrderedJson blocks = OrderedJson::array();
  for (const DriftSummary& block : report.blocks) blocks.push_back(summary_json(block));
  return {{"tower", report.tower},
          {"blocks", std::move(blocks)},
          {"end_to_end", summary_json(report.end_to_end)},
          {"first_failure", report.first_failure}};
}

}  // namespace octet::eval
