#include "tests/ops/inference.h"

#include "tests/expect_error.h"

namespace octet {
namespace {

Graph graph_of(const std::string& op, const std::vector<Given>& inputs,
               const Attributes& attributes, const std::string& domain) {
  Graph graph;
  Node node{"node", domain, op, {}, {}, attributes};
  for (const Given& input : inputs) {
    const std::string name = fmt::format("input_{}", node.inputs.size());
    if (input.left_out) {
      node.inputs.push_back(kNoValue);
    } else if (input.constant) {
      node.inputs.push_back(graph.add_constant(name, *input.constant));
    } else {
      node.inputs.push_back(graph.add_input(name, input.dtype, input.dims));
    }
  }
  node.outputs = {graph.add_value("output")};
  graph.add_node(std::move(node));
  return graph;
}

}  // namespace

Given Given::absent() {
  Given given(DType::f32, {});
  given.left_out = true;
  return given;
}

Given integers(const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values);
}

ValueType infer_one(const std::string& op, const std::vector<Given>& inputs,
                    const Attributes& attributes, const std::string& domain) {
  Graph graph = graph_of(op, inputs, attributes, domain);
  infer_types(graph);
  const Value& output = graph.value(*graph.find_value("output"));
  return {output.dtype, output.dims};
}

void expect_refused(const std::string& part, const std::string& op,
                    const std::vector<Given>& inputs, const Attributes& attributes,
                    const std::string& domain) {
  Graph graph = graph_of(op, inputs, attributes, domain);
  test::expect_error(ErrorCode::bad_input, {part, "'node'", op}, [&] { infer_types(graph); });
}

}  // namespace octet
