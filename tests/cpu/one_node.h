#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cpu/kernel_table.h"
#include "graph/graph.h"

namespace octet::cpu {

/// One operator with its operands, run through one entry of a kernel table. Outputs and workspace
/// are poisoned before every run, and bytes behind the output must survive it.
class OneNode {
 public:
  OneNode(std::string_view domain, std::string_view op, Attributes attributes = {}) {
    node_.name = "node";
    node_.domain = domain;
    node_.op = op;
    node_.attributes = std::move(attributes);
  }

  OneNode& input(Tensor tensor) { return operand(std::move(tensor), false); }
  OneNode& constant(Tensor tensor) { return operand(std::move(tensor), true); }
  OneNode& left_out() {
    operands_.push_back({std::nullopt, false});
    return *this;
  }
  OneNode& output(DType dtype, Shape shape) {
    output_ = {dtype, std::move(shape)};
    return *this;
  }

  /// Why the entry does not take the node.
  [[nodiscard]] std::optional<std::string> refusal(const KernelEntry& entry) const {
    const Built built = build(nullptr);
    const Node& node = built.graph.node(built.node);
    return entry.refuse == nullptr ? std::nullopt : entry.refuse(built.graph, node);
  }

  [[nodiscard]] Tensor run(const KernelEntry& entry) const {
    EXPECT_EQ(refusal(entry), std::nullopt);
    const Built built = build(&entry);
    const auto kernel = entry.load(built.graph, built.graph.node(built.node));
    constexpr size_t kGuard = 256;
    Tensor result(output_.first, output_.second);
    Tensor memory(DType::u8, {static_cast<int64_t>(result.size_bytes() + kGuard)});
    std::ranges::fill(memory.mutable_bytes(), kPoison);
    std::vector<runtime::Operand> inputs;
    for (const Operand& operand : operands_) inputs.push_back(describe(operand));
    runtime::Operand output = shaped(output_.first, output_.second);
    output.data = memory.mutable_bytes().data();
    Tensor workspace(
        DType::u8, {static_cast<int64_t>(kernel->workspace_bytes(inputs, {&output, 1}) + kGuard)});
    std::ranges::fill(workspace.mutable_bytes(), kPoison);
    const auto usable = workspace.mutable_bytes().first(workspace.size_bytes() - kGuard);
    kernel->run({inputs, {&output, 1}, usable});
    expect_poison(memory, kGuard);
    expect_poison(workspace, kGuard);
    std::ranges::copy(memory.bytes().first(result.size_bytes()), result.mutable_bytes().begin());
    return result;
  }

 private:
  static constexpr std::byte kPoison{0xA5};

  struct Operand {
    std::optional<Tensor> tensor;
    bool constant;
  };
  struct Built {
    Graph graph;
    NodeId node;
  };

  OneNode& operand(Tensor tensor, bool constant) {
    operands_.push_back({std::move(tensor), constant});
    return *this;
  }

  static runtime::Operand shaped(DType dtype, const Shape& shape) {
    runtime::Operand operand;
    operand.dtype = dtype;
    operand.rank = shape.size();
    std::ranges::copy(shape, operand.extents.begin());
    return operand;
  }

  static runtime::Operand describe(const Operand& operand) {
    if (!operand.tensor) return {};
    return runtime::view_of(*operand.tensor);
  }

  static void expect_poison(const Tensor& memory, size_t count) {
    for (const std::byte byte : memory.bytes().last(count)) {
      if (byte != kPoison) {
        ADD_FAILURE() << "the kernel wrote behind its memory";
        return;
      }
    }
  }

  [[nodiscard]] Built build(const KernelEntry* packing) const {
    Built plain = build_with(nullptr, nullptr);
    return packing == nullptr ? std::move(plain) : build_with(packing, &plain);
  }

  /// Constants packed as `packing` wants them for the node of `plain`.
  [[nodiscard]] Built build_with(const KernelEntry* packing, const Built* plain) const {
    Built built{Graph(), {}};
    Node node = node_;
    for (size_t i = 0; i < operands_.size(); ++i) {
      const Operand& operand = operands_[i];
      if (!operand.tensor) {
        node.inputs.push_back(kNoValue);
        continue;
      }
      const std::string name = "input" + std::to_string(i);
      if (operand.constant) {
        const bool packs = packing != nullptr && packing->pack != nullptr;
        node.inputs.push_back(built.graph.add_constant(
            name, packs ? packing->pack(plain->graph, plain->graph.node(plain->node), i)
                        : *operand.tensor));
      } else {
        node.inputs.push_back(
            built.graph.add_input(name, operand.tensor->dtype(), to_dims(operand.tensor->shape())));
      }
    }
    const ValueId y = built.graph.add_value("y", output_.first, to_dims(output_.second));
    node.outputs.push_back(y);
    built.node = built.graph.add_node(std::move(node));
    built.graph.set_outputs({y});
    return built;
  }

  Node node_;
  std::vector<Operand> operands_;
  std::pair<DType, Shape> output_;
};

}  // namespace octet::cpu
