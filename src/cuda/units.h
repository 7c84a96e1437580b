#pragma once

#include <string>

#include "cuda/elements.h"

namespace octet::cuda {

/// The operands of an operator that moves data, counted in units of neighbouring elements along the
/// last axis: as many as move in one access.
class Units {
 public:
  /// `step`: a number that divides every position along the last axis where a unit may begin, and
  /// the extents there; 1 where neighbours do not stay neighbours, 0 where any unit will do.
  Units(const Graph& graph, const Node& node, int64_t step);

  [[nodiscard]] const IndexText& index() const { return index_; }
  /// The type of a unit, by its size alone.
  [[nodiscard]] const std::string& type() const { return type_; }
  /// Extents of operands.
  [[nodiscard]] Dims input(size_t input = 0) const { return dims(node_.inputs.at(input)); }
  [[nodiscard]] Dims output() const { return dims(node_.outputs.at(0)); }
  /// A number of elements along `axis` of `rank`.
  [[nodiscard]] int64_t along(size_t axis, size_t rank, int64_t number) const {
    return axis + 1 == rank ? number / elements_ : number;
  }
  [[nodiscard]] std::string element(size_t input, const std::string& offset) const {
    return element_text(input, type_, offset);
  }
  [[nodiscard]] ElementText text(const std::string& value) const {
    return {output(), type_, value};
  }

 private:
  [[nodiscard]] Dims dims(ValueId value) const;

  const Graph& graph_;
  const Node& node_;
  IndexText index_;
  int64_t elements_ = 1;
  std::string type_;
};

/// The last extent of a value as a step of units; a symbol is none.
int64_t last_step(const Graph& graph, ValueId value);

/// A row of the kernel table for an operator that moves data.
template <Units (*units_of)(const Graph&, const Node&),
          ElementText (*text_of)(const Graph&, const Node&, const Units&)>
struct Movement {
  static KernelSource source(const NodeSite& site) {
    const Units units = units_of(site.graph, site.node);
    return element_source(site, text_of(site.graph, site.node, units));
  }
  static std::unique_ptr<runtime::Kernel> load(const Device& device, const Graph& graph,
                                               const Node& node,
                                               const runtime::KernelChoice& choice) {
    const Units units = units_of(graph, node);
    return load_generic(device, graph, node, choice,
                        element_launch(graph, node, text_of(graph, node, units).domain));
  }
  static KernelEntry entry(std::string_view name, std::string_view op,
                           std::string_view domain = "") {
    return generic_entry<source, load>(name, op, domain);
  }
};

}  // namespace octet::cuda
