#include "quant/calibrate.h"

#include <algorithm>

#include "base/error.h"
#include "quant/insert.h"
#include "quant/observer.h"
#include "runtime/engine.h"

namespace octet::quant {
namespace {

bool is_wanted(const ResolvedQuantizer& quantizer, models::Tower tower) {
  return quantizer.tower == tower && quantizer.enabled && needs_data(quantizer.kind);
}

std::vector<Point> wanted_points(const Graph& graph, const Resolved& resolved) {
  std::vector<Point> points = find_points(graph);
  std::erase_if(points, [&](const Point& point) {
    const ResolvedQuantizer* quantizer = resolved.find(point.name);
    return quantizer == nullptr || !quantizer->enabled || !needs_data(point.kind);
  });
  return points;
}

std::shared_ptr<const runtime::Engine> compile(Graph graph, const runtime::Backend& backend,
                                               int64_t batch) {
  runtime::CompileOptions options;
  // Every row is seen, not only those that the output needs: other runtimes of the exported files
  // compute them all.
  options.disabled_passes = {"hoist_pooling"};
  options.symbols["batch"] = {1, batch, batch};
  return runtime::Engine::load(runtime::compile(std::move(graph), backend, options), backend);
}

void run(runtime::Session& session, models::Tower tower, CalibrationData& data, Observer& observer,
         const CalibrateOptions& options) {
  session.set_hook([&](const Node& node, std::span<const runtime::Operand>,
                       std::span<const runtime::Operand> outputs) {
    if (!node.is("Observe", kOctetDomain)) return;
    throw_if_interrupted();
    const runtime::Operand& value = outputs.front();
    observer.see(node.text("quantizer", ""),
                 {value.as<float>(), static_cast<size_t>(value.count())});
  });
  data.run(tower, options.batch, options.progress, [&](const Tensor& batch) {
    session.run({&batch, 1});
  });
}

AmaxByName calibrate_tower(const models::ClipModel& model, models::Tower tower,
                           const Resolved& resolved, CalibrationData& data,
                           const runtime::Backend& backend, const CalibrateOptions& options) {
  Graph graph = model.build(tower, {DType::f32});
  const auto groups = insert_observers(graph, wanted_points(graph, resolved));
  Observer observer;
  for (const auto& names : groups) {
    for (const std::string& name : names) {
      const Calibrator& calibrator = resolved.find(name)->format.calibrator;
      if (calibrator.method != CalibrationMethod::max) observer.want_distribution(names.front());
    }
  }
  runtime::Session session(compile(std::move(graph), backend, options.batch));
  run(session, tower, data, observer, options);
  AmaxByName amax;
  for (const auto& names : groups) {
    for (const std::string& name : names) {
      amax[name] = observer.solve(names.front(), resolved.find(name)->format.calibrator);
    }
  }
  return amax;
}

}  // namespace

int64_t count_needing_data(const Resolved& resolved, models::Tower tower) {
  return std::ranges::count_if(resolved.quantizers, [&](const ResolvedQuantizer& quantizer) {
    return is_wanted(quantizer, tower);
  });
}

AmaxByName calibrate(const models::ClipModel& model, const Resolved& resolved,
                     CalibrationData& data, const runtime::Backend& backend,
                     const CalibrateOptions& options) {
  std::vector<models::Tower> towers{models::Tower::text, models::Tower::image};
  std::erase_if(towers, [&](models::Tower tower) {
    return !model.has(tower) || count_needing_data(resolved, tower) == 0;
  });
  // Before minutes go into the first one.
  for (const models::Tower tower : towers) data.check_source(tower);
  AmaxByName amax;
  for (const models::Tower tower : towers) {
    amax.merge(calibrate_tower(model, tower, resolved, data, backend, options));
  }
  return amax;
}

}  // namespace octet::quant
