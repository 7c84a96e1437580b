#include "quant/apply_stored.h"

#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "quant/calibrator.h"
#include "quant/insert.h"
#include "quant/points.h"

namespace octet::quant {
namespace {

using checkpoint::StoredQuantizer;
using checkpoint::StoredQuantizers;

/// q [batch, heads, rows, size]: 1 / sqrt(size), in FP32 as the graph has it.
float attention_factor(const Graph& graph, const Point& q) {
  const Dim& size = graph.value(q.value).dims.back();
  return 1.0F / std::sqrt(static_cast<float>(size.size()));
}

void scale_q(const Graph& graph, const Point& point, StoredQuantizers& quantizers) {
  const auto found = quantizers.find(point.name);
  if (found == quantizers.end() || !found->second.before_attention_factor) return;
  StoredQuantizer& quantizer = found->second;
  const float scale = quantizer.scale.values<float>()[0] * attention_factor(graph, point);
  quantizer.scale = Tensor::scalar(scale);
  quantizer.before_attention_factor = false;
}

bool is_static(const StoredQuantizers& quantizers, const std::string& name) {
  const auto found = quantizers.find(name);
  return found != quantizers.end() && found->second.enabled && !found->second.dynamic_per_token;
}

/// Is FP8 attention wanted, and does only the softmax lack?
bool lacks_softmax(const std::string& attention, const StoredQuantizers& quantizers) {
  return is_static(quantizers, attention + ".q_bmm_quantizer") &&
         is_static(quantizers, attention + ".k_bmm_quantizer") &&
         is_static(quantizers, attention + ".v_bmm_quantizer") &&
         !is_static(quantizers, attention + ".softmax_quantizer");
}

int64_t add_softmax(const std::vector<Point>& points, float scale, StoredQuantizers& quantizers) {
  int64_t added = 0;
  for (const Point& point : points) {
    if (point.kind != PointKind::softmax) continue;
    if (!lacks_softmax(std::string(module_of(point.name)), quantizers)) continue;
    StoredQuantizer& softmax = quantizers[point.name];
    softmax = {};
    softmax.scale = Tensor::scalar(scale);
    ++added;
  }
  return added;
}

/// Only this program writes q's scale into the unified layout, and it means what it left out.
bool is_ours(const checkpoint::StoredQuantization& stored) {
  if (stored.layout != checkpoint::QuantizationLayout::unified) return false;
  for (const auto& [name, quantizer] : stored.quantizers) {
    if (name.ends_with(".q_bmm_quantizer")) return true;
  }
  return false;
}

}  // namespace

float softmax_scale() {
  return stored_scale(1.0F);
}

std::vector<std::string> apply_stored(Graph& graph, const checkpoint::StoredQuantization& stored,
                                      const ApplyOptions& options) {
  const std::vector<Point> points = find_points(graph);
  StoredQuantizers quantizers = stored.quantizers;
  for (const Point& point : points) {
    if (point.kind == PointKind::q) scale_q(graph, point, quantizers);
  }
  std::vector<std::string> notices;
  if (!options.as_stored && !is_ours(stored)) {
    const int64_t added = add_softmax(points, softmax_scale(), quantizers);
    if (added > 0) {
      notices.push_back(fmt::format(
          "{}: {} attention blocks get the constant softmax quantizer (1/448), which FP8 attention "
          "needs and the checkpoint lacks; --as-stored leaves it out",
          graph.name(), added));
    }
  }
  insert_quantizers(graph, quantizers);
  for (const std::string& notice : notices) log_info("{}", notice);
  return notices;
}

}  // namespace octet::quant
