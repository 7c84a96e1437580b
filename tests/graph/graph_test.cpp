#include "graph/graph.h"

#include <gtest/gtest.h>

#include "graph/graph_json.h"
#include "graph/graph_text.h"
#include "graph/patch.h"

namespace octet {
namespace {

/// x → A → B → y, with a constant read by both.
Graph chain() {
  Graph graph("chain");
  const ValueId x = graph.add_input("x", DType::f32, {"batch", 4});
  const ValueId c =
      graph.add_constant("c", Tensor::from<float>({4}, std::vector<float>{1, 2, 3, 4}));
  const ValueId a = graph.add_value("a", DType::f32, {"batch", 4});
  const ValueId y = graph.add_value("y", DType::f32, {"batch", 4});
  graph.add_node({"A", "", "Add", {x, c}, {a}, {}});
  graph.add_node({"B", "", "Mul", {a, c}, {y}, {{"note", std::string("last")}}});
  graph.set_outputs({y});
  return graph;
}

TEST(Graph, KnowsProducersAndConsumers) {
  const Graph graph = chain();
  const ValueId a = *graph.find_value("a");
  EXPECT_EQ(graph.node(*graph.producer(a)).name, "A");
  EXPECT_EQ(graph.node(*graph.sole_consumer(a)).name, "B");
  EXPECT_FALSE(graph.sole_consumer(*graph.find_value("c")));
  EXPECT_FALSE(graph.sole_consumer(*graph.find_value("y"))) << "an output is read from outside";
  EXPECT_EQ(graph.consumers(*graph.find_value("c")).size(), 2U);
}

TEST(Graph, RefusesBrokenStructure) {
  Graph graph = chain();
  EXPECT_THROW(graph.add_input("x", DType::f32, {}), std::logic_error);
  EXPECT_THROW(graph.add_node({"C", "", "Add", {}, {*graph.find_value("a")}, {}}),
               std::logic_error);
  const ValueId late = graph.add_value("late");
  graph.add_node({"D", "", "Relu", {late}, {graph.add_value("d")}, {}});
  EXPECT_THROW(graph.verify(), std::logic_error);
}

TEST(Graph, FirstDifferenceNamesWhatDiffers) {
  Graph other("chain");
  EXPECT_EQ(first_difference(chain(), chain()), "");
  EXPECT_EQ(first_difference(chain(), other), "the inputs differ");
  Graph changed = chain();
  changed.set_type(*changed.find_value("a"), DType::f16, {"batch", 4});
  EXPECT_NE(first_difference(chain(), changed).find("'a'"), std::string::npos);
}

TEST(Patch, InsertsBeforeEveryReader) {
  Graph graph = chain();
  Patch patch(graph);
  const ValueId a = *graph.find_value("a");
  const ValueId copy = patch.add_value("copy", DType::f32, {"batch", 4});
  patch.add_node({"Copy", "", "Identity", {a}, {copy}, {}});
  patch.replace(a, copy, false);
  patch.apply();
  EXPECT_EQ(graph.node(*graph.find_node("B")).inputs[0], copy);
  EXPECT_EQ(graph.node(*graph.find_node("Copy")).inputs[0], a);
  EXPECT_EQ(graph.order().size(), 3U);
  EXPECT_EQ(graph.node(graph.order()[1]).name, "Copy") << "placed where the order allows";
}

TEST(Patch, ReplacementTakesOverTheNameAndDeadNodesGo) {
  Graph graph = chain();
  Patch patch(graph);
  const ValueId x = *graph.find_value("x");
  const ValueId y = *graph.find_value("y");
  const ValueId fused = patch.add_value("fused", DType::f32, {"batch", 4});
  patch.add_node({"AB", "octet", "Fused", {x}, {fused}, {}});
  patch.replace(y, fused);
  patch.apply();
  EXPECT_EQ(graph.order().size(), 1U);
  EXPECT_EQ(graph.value(graph.outputs()[0]).name, "y");
  EXPECT_FALSE(graph.find_value("c")) << "nothing reads the constant any more";
  graph.verify();
}

TEST(Extract, CutsOutTheMiddle) {
  const Graph graph = chain();
  const Graph part = extract(graph, {*graph.find_value("a")}, {*graph.find_value("y")});
  EXPECT_EQ(part.order().size(), 1U);
  EXPECT_EQ(part.value(part.inputs()[0]).name, "a");
  EXPECT_TRUE(part.find_value("c"));
  EXPECT_ANY_THROW(extract(graph, {}, {*graph.find_value("y")}));
}

TEST(GraphJson, RoundTripKeepsEveryBit) {
  Graph graph = chain();
  graph.add_node({"E",
                  "octet",
                  "All",
                  {*graph.find_value("y"), kNoValue},
                  {graph.add_value("e", DType::i64, {1})},
                  {{"f", 0.1F},
                   {"i", int64_t{-3}},
                   {"is", std::vector<int64_t>{1, 2}},
                   {"fs", std::vector<float>{0.3F}},
                   {"s", std::string("x")}}});
  graph.set_outputs({*graph.find_value("e")});
  std::vector<Tensor> stored;
  const Json json = graph_to_json(graph, [&](const Tensor& tensor) {
    stored.push_back(tensor);
    return std::to_string(stored.size() - 1);
  });
  const auto load = [&](const std::string& name, DType, const Shape&) {
    return stored.at(std::stoul(name));
  };
  EXPECT_EQ(first_difference(graph, graph_from_json(json, load, "test")), "");
}

TEST(GraphJson, RefusesDamage) {
  std::vector<Tensor> stored;
  Json json = graph_to_json(chain(), [](const Tensor&) { return "c"; });
  const auto load = [](const std::string&, DType dtype, const Shape& shape) {
    return Tensor(dtype, shape);
  };
  Json cycle = json;
  cycle["nodes"][0]["inputs"][0] = 3;  // A reads what B writes
  EXPECT_THROW(graph_from_json(cycle, load, "test"), Error);
  Json twice = json;
  twice["nodes"][1]["name"] = "A";
  EXPECT_THROW(graph_from_json(twice, load, "test"), Error);
  Json outside = json;
  outside["nodes"][0]["inputs"][0] = 99;
  EXPECT_THROW(graph_from_json(outside, load, "test"), Error);
}

TEST(GraphText, ShowsOperatorsTypesAndAttributes) {
  const std::string text = to_text(chain());
  EXPECT_NE(text.find("a f32 [batch, 4] = Add(x, c)"), std::string::npos) << text;
  EXPECT_NE(text.find("y f32 [batch, 4] = Mul(a, c) {note=\"last\"}"), std::string::npos) << text;
}

}  // namespace
}  // namespace octet
