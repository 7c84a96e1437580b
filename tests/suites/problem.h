#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "runtime/engine.h"
#include "tests/suites/array.h"

namespace octet::suites {

/// Names of the backends that every suite runs on. A new backend is one name here and one line in
/// backend.cpp.
std::vector<std::string> backend_names();
const runtime::Backend& backend_named(const std::string& name);
/// Why a backend cannot run on this machine, in words; empty when it can.
std::string why_unavailable(const std::string& name);
/// Do its kernels report indices and divisors that make no sense?
bool reports_bad_values(const std::string& name);

/// Skips where the backend cannot run.
class BackendTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
};

/// A suite is instantiated with every backend's name.
#define OCTET_SUITE(SUITE)                                                        \
  struct SUITE : BackendTest {};                                                  \
  INSTANTIATE_TEST_SUITE_P(Backends, SUITE, ::testing::ValuesIn(backend_names()), \
                           [](const auto& instance) { return instance.param; })

/// One operand of a problem's node.
struct Feed {
  enum class Kind : uint8_t { input, constant, absent };

  Feed(Array fed) : array(std::move(fed)) {}  // NOLINT(google-explicit-constructor)
  /// An input with symbolic extents.
  Feed(Array fed, Dims symbolic) : array(std::move(fed)), dims(std::move(symbolic)) {}

  static Feed constant(Array array);
  static Feed absent();

  Kind kind = Kind::input;
  Array array;
  Dims dims;  ///< empty: the array's own
};

/// A graph of one node.
struct Problem {
  std::string domain;
  std::string op;
  Attributes attributes;
  std::vector<Feed> feeds;
};

/// A problem compiled for a backend; runs any number of times.
class Prepared {
 public:
  /// Symbols may be at most as large as the feeds' arrays have them.
  Prepared(const std::string& backend, const Problem& problem);
  /// Any graph; `largest` is the size of every symbol.
  Prepared(const std::string& backend, Graph graph, int64_t largest);

  /// Arrays of the graph's inputs, in order.
  std::vector<Array> run(const std::vector<Array>& inputs);

  /// The graph as the backend lowered it.
  [[nodiscard]] const Graph& lowered() const { return session_->engine().graph(); }

 private:
  std::unique_ptr<runtime::Session> session_;
};

/// Runs a problem once and returns its only output.
Array solve(const std::string& backend, const Problem& problem);

}  // namespace octet::suites
