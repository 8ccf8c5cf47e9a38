#include "models/summary.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/autograd/grad_mode.h"
#include "nn/eval_guard.h"

namespace resgrad {
namespace {

// A position in the tree of modules. One that is shared has several.
struct Place {
  const Module* module;
  const Place* parent;  // null for the root
  int depth;
};

struct Row {
  const Module* module;
  const Place* place;  // null for a module that is not in the tree
  int depth;
  int index = 0;  // running count at this depth
  bool leaf = false, recursive = false, called = true;
  Shape output = {};
  std::int64_t params = 0, leftover = 0;
  std::int64_t trainable = 0, leftover_trainable = 0;
  std::int64_t macs = 0, output_bytes = 0, param_bytes = 0;
};

std::int64_t trainable_parameters(const Module& module) {
  std::int64_t count = 0;
  for (const NamedTensor& p : module.named_parameters()) {
    if (p.tensor.requires_grad()) count += p.tensor.numel();
  }
  return count;
}

std::int64_t bytes_of_parameters(const Module& module) {
  std::int64_t bytes = 0;
  for (const NamedTensor& p : module.named_parameters()) {
    bytes += static_cast<std::int64_t>(p.tensor.byte_size());
  }
  return bytes;
}

// Multiply-adds of a module over its own weight and bias, torchinfo's way: a convolution uses each
// of its parameters at every output position, any other module once per sample.
std::int64_t own_macs(const Module& module, const Shape& output) {
  std::int64_t params = 0;
  for (const NamedTensor& p : module.own_parameters()) params += p.tensor.numel();
  if (output.empty()) return params;
  if (module.class_name().find("Conv") == std::string::npos) return params * output[0];
  std::int64_t positions = output[0];
  for (std::size_t i = 2; i < output.size(); ++i) positions *= output[i];
  return params * positions;
}

// Records a row per call, in the order of execution.
class RowRecorder final : public CallObserver {
 public:
  explicit RowRecorder(const Module& root) { index_tree(root, nullptr); }

  void enter(const Module& module, const Tensor&) override {
    // a module that was made inside a forward has no place in the tree: it is shown one level down
    const Place* place = place_of(module);
    const int depth =
        place != nullptr ? place->depth : (open_.empty() ? 0 : calls_[open_.back()].depth + 1);
    open_.push_back(calls_.size());
    calls_.push_back(make_row(module, place, depth));
    calls_.back().recursive = !called_.insert(&module).second;
  }

  void leave(const Module&, const Tensor& y) override {
    Row& row = calls_[open_.back()];
    open_.pop_back();
    row.output = y.shape();
    row.output_bytes = static_cast<std::int64_t>(y.byte_size());
    row.macs = own_macs(*row.module, row.output);
  }

  std::vector<Row> take() {
    std::vector<Row> rows = with_uncalled_containers();
    number(rows);
    count_leftovers(rows);
    return rows;
  }

 private:
  void index_tree(const Module& module, const Place* parent) {
    const Place* place =
        &places_.emplace_back(Place{&module, parent, parent == nullptr ? 0 : parent->depth + 1});
    tree_[&module].push_back(place);
    for (const auto& [name, child] : module.children()) index_tree(*child, place);
  }

  // Of the places of a module the first below the innermost call that has one below it: a module
  // under two parents is shown under the one that calls it.
  const Place* place_of(const Module& module) const {
    const auto found = tree_.find(&module);
    if (found == tree_.end()) return nullptr;
    for (std::size_t i = open_.size(); i-- > 0;) {
      const Place* around = calls_[open_[i]].place;
      for (const Place* place : found->second) {
        for (const Place* at = place; at != nullptr; at = at->parent) {
          if (at == around) return place;
        }
      }
    }
    return found->second.front();
  }

  static Row make_row(const Module& module, const Place* place, int depth) {
    return {.module = &module,
            .place = place,
            .depth = depth,
            .leaf = module.children().empty(),
            .params = module.parameter_count(),
            .trainable = trainable_parameters(module),
            .param_bytes = bytes_of_parameters(module)};
  }

  // The containers around a row, outermost first, without the root.
  static std::vector<const Place*> containers_of(const Row& row) {
    std::vector<const Place*> path;
    for (const Place* at = row.place; at != nullptr && at->depth > 1; at = at->parent) {
      path.push_back(at->parent);
    }
    std::ranges::reverse(path);
    return path;
  }

  // A container that was not called itself gets a row before its children, and another one when
  // they come back after something else.
  std::vector<Row> with_uncalled_containers() {
    std::vector<Row> rows;
    std::map<int, const Module*> shown;  // the module of the latest row per depth
    for (const Row& call : calls_) {
      for (const Place* container : containers_of(call)) {
        const Module* module = container->module;
        if (std::exchange(shown[container->depth], module) == module) continue;
        rows.push_back(make_row(*module, container, container->depth));
        rows.back().called = false;
        rows.back().recursive = !called_.insert(module).second;
      }
      shown[call.depth] = call.module;
      shown.erase(shown.upper_bound(call.depth), shown.end());
      rows.push_back(call);
    }
    return rows;
  }

  // torchinfo keeps one record for all rows of an uncalled container: they look like the last one.
  static void number(std::vector<Row>& rows) {
    std::map<int, int> counts;
    for (Row& row : rows) row.index = ++counts[row.depth];
    std::map<const Module*, const Row*> last;
    for (std::size_t i = rows.size(); i-- > 0;) {
      if (rows[i].called) continue;
      const Row& same = *last.emplace(rows[i].module, &rows[i]).first->second;
      rows[i].index = same.index;
      rows[i].recursive = same.recursive;
    }
  }

  // Parameters of a row that no row below it has.
  static void count_leftovers(std::vector<Row>& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::set<const TensorImpl*> below;
      for (std::size_t j = i + 1; j < rows.size() && rows[j].depth > rows[i].depth; ++j) {
        for (const NamedTensor& p : rows[j].module->named_parameters()) {
          below.insert(p.tensor.impl().get());
        }
      }
      for (const NamedTensor& p : rows[i].module->named_parameters()) {
        if (below.contains(p.tensor.impl().get())) continue;
        rows[i].leftover += p.tensor.numel();
        if (p.tensor.requires_grad()) rows[i].leftover_trainable += p.tensor.numel();
      }
    }
  }

  std::deque<Place> places_;
  std::map<const Module*, std::vector<const Place*>> tree_;
  std::set<const Module*> called_;
  std::vector<std::size_t> open_;  // calls that have not returned
  std::vector<Row> calls_;
};

std::vector<Row> record_rows(Module& module, const Shape& input_size) {
  const EvalGuard evaluation(module);
  const NoGradGuard no_grad;
  RowRecorder recorder(module);
  module(Tensor::zeros(
      input_size, DType::float32,
      input_size.size() == 4 ? MemoryFormat::channels_last : MemoryFormat::contiguous));
  return recorder.take();
}

// ---- formatting --------------------------------------------------------------------------------

std::string with_commas(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (std::ptrdiff_t i = std::ssize(digits) - 3; i > 0; i -= 3) {
    digits.insert(static_cast<std::size_t>(i), 1, ',');
  }
  return digits;
}

std::string mult_adds_line(std::int64_t macs) {
  const auto [unit, factor] = macs >= 1'000'000'000'000 ? std::pair{"Units.TERABYTES", 1e12}
                              : macs >= 1'000'000'000   ? std::pair{"Units.GIGABYTES", 1e9}
                                                        : std::pair{"Units.MEGABYTES", 1e6};
  const double value = static_cast<double>(macs) / factor;
  return value == std::floor(value) ? fmt::format("Total mult-adds ({}): {:.0f}", unit, value)
                                    : fmt::format("Total mult-adds ({}): {:.2f}", unit, value);
}

std::string title(const Row& row) {
  if (row.depth == 0) return row.module->class_name();
  return fmt::format("{}: {}-{}", row.module->class_name(), row.depth, row.index);
}

std::string prefix(int depth) {
  if (depth == 0) return "";
  if (depth == 1) return "├─";
  std::string bars;
  for (int i = 1; i < depth; ++i) bars += "│    ";
  return bars + "└─";
}

// A line of the table; `name_length` is the number of characters of `name` as displayed.
std::string line(const std::string& name, std::size_t name_length, std::size_t name_width,
                 const std::string& shape, const std::string& params) {
  std::string text = name + std::string(name_width - std::min(name_width, name_length) + 1, ' ');
  text += fmt::format("{:<25} {:<25}", shape, params);
  text.erase(text.find_last_not_of(' ') + 1);
  return text + "\n";
}

std::string params_cell(const Row& row, bool at_max_depth) {
  if (row.params == 0) return "--";
  if (row.recursive) return "(recursive)";
  if (at_max_depth || row.leaf) {  // in brackets where nothing is trained
    const std::string count = with_commas(row.params);
    return row.trainable > 0 ? count : "(" + count + ")";
  }
  return row.leftover > 0 ? with_commas(row.leftover) : "--";
}

}  // namespace

std::string summary(Module& module, const Shape& input_size, const SummaryOptions& options) {
  require<ValueError>(options.depth >= 1, "summary: depth: expected at least 1, got {}",
                      options.depth);
  const std::vector<Row> rows = record_rows(module, input_size);

  std::size_t name_width = 40;
  std::int64_t params = 0, trainable = 0, macs = 0, output_bytes = 0, param_bytes = 0;
  for (const Row& row : rows) {
    const std::size_t length = title(row).size() + 5 * static_cast<std::size_t>(row.depth) + 1;
    if (length >= name_width) name_width = (length + 4) / 5 * 5;
    if (row.leaf) {
      macs += row.macs;
      if (row.params > 0) output_bytes += 2 * row.output_bytes;  // the output and its gradient
    }
    if (row.recursive) continue;
    params += row.leftover;
    trainable += row.leftover_trainable;
    if (row.leaf) param_bytes += row.param_bytes;
  }
  const std::int64_t input_bytes = numel(input_size) * 4;

  const std::string divider = std::string(name_width + 50, '=') + "\n";
  const std::string header = "Layer (type:depth-idx)";
  std::string text = divider + line(header, header.size(), name_width, "Output Shape", "Param #");
  text += divider;
  for (const Row& row : rows) {
    if (row.depth > options.depth) continue;
    const std::size_t prefix_length = row.depth == 0 ? 0
                                      : row.depth == 1
                                          ? 2
                                          : 5 * static_cast<std::size_t>(row.depth) - 3;
    text += line(prefix(row.depth) + title(row), prefix_length + title(row).size(), name_width,
                 row.called ? fmt::format("{}", row.output) : "--",
                 params_cell(row, row.depth == options.depth));
  }
  const auto megabytes = [](std::int64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  text += divider;
  text += fmt::format("Total params: {}\nTrainable params: {}\nNon-trainable params: {}\n",
                      with_commas(params), with_commas(trainable), with_commas(params - trainable));
  text += mult_adds_line(macs) + "\n" + divider;
  text += fmt::format("Input size (MB): {:.2f}\n", megabytes(input_bytes));
  text += fmt::format("Forward/backward pass size (MB): {:.2f}\n", megabytes(output_bytes));
  text += fmt::format("Params size (MB): {:.2f}\n", megabytes(param_bytes));
  text += fmt::format("Estimated Total Size (MB): {:.2f}\n",
                      megabytes(input_bytes + output_bytes + param_bytes));
  return text + divider;
}

std::int64_t multiply_adds(Module& module, const Shape& input_size) {
  std::int64_t macs = 0;
  for (const Row& row : record_rows(module, input_size)) macs += row.leaf ? row.macs : 0;
  return macs;
}

}  // namespace resgrad
