#include "models/wrapped_names.h"

#include <doctest/doctest.h>

#include "core/check.h"

using namespace resgrad;

namespace {

std::vector<NamedTensor> named(const std::vector<std::string>& names) {
  std::vector<NamedTensor> tensors;
  for (const std::string& name : names) tensors.push_back({name, Tensor::ones({1})});
  return tensors;
}

std::vector<std::string> names_of(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const NamedTensor& t : tensors) names.push_back(t.name);
  return names;
}

}  // namespace

TEST_CASE("the prefixes of wrappers are taken off, all or some, and the counter left out") {
  const std::vector<std::string> plain = {"conv1.weight", "module_list.0.bias"};
  for (const auto& names : std::vector<std::vector<std::string>>{
           plain,
           {"module.conv1.weight", "module.module_list.0.bias"},
           {"_orig_mod.conv1.weight", "_orig_mod.module_list.0.bias"},
           {"module._orig_mod.conv1.weight", "module._orig_mod.module_list.0.bias"},
           {"_orig_mod.module.conv1.weight", "module.module_list.0.bias"},
           {"n_averaged", "module.conv1.weight", "module.module_list.0.bias"},
           {"conv1.weight", "module.module_list.0.bias"}}) {
    const std::vector<NamedTensor> given = named(names);
    const std::vector<NamedTensor> found = models::without_wrappers(given);
    CHECK(names_of(found) == plain);
    CHECK(found.back().tensor.is_same(given.back().tensor));
  }
}

TEST_CASE("two names that become one are listed") {
  CHECK_THROWS_WITH_AS(
      models::without_wrappers(named({"a", "module.a", "b", "_orig_mod.c", "c", "module.c"})),
      "weights: expected each tensor once, with or without module. and _orig_mod. in front, got a "
      "and module.a, _orig_mod.c and c and module.c",
      ValueError);
  std::vector<std::string> many;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    many.emplace_back(name);
    many.push_back(std::string("module.") + name);
  }
  CHECK_THROWS_WITH_AS(models::without_wrappers(named(many)),
                       doctest::Contains("e and module.e and 2 more"), ValueError);
}
