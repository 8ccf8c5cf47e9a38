// The graph: one Node per recorded operation, with the tensors it saved as its members, and one
// per leaf, which accumulates the leaf's gradient. Nodes point at the nodes of their inputs.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace resgrad {

/// A tensor kept for backward: the data without its history, so that a node never owns itself.
/// get() throws StateError when the data were changed in place after saving.
class SavedTensor {
 public:
  SavedTensor() = default;
  SavedTensor(const Tensor& tensor);  // NOLINT: implicit on purpose, a node takes plain tensors
  Tensor get(const Node& node) const;
  void reset() { tensor_ = Tensor(); }
  /// Of the data, 0 when there are none.
  double bytes() const;

 private:
  Tensor tensor_;
  std::uint64_t version_ = 0;
};

/// What leads from an operation to the node of one of its inputs; `node` is null when that input
/// needs no gradient.
struct Edge {
  const char* input_name;
  std::shared_ptr<Node> node;
};

/// One recorded operation with one output.
class Node {
 public:
  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  /// Unlinks chains of nodes in a loop: their number may exceed what the stack can hold.
  virtual ~Node();

  /// The name of the operation, as its errors spell it.
  virtual const char* name() const = 0;
  /// The gradients of the inputs, in their order, from the gradient `dy` of the output. `dy` has
  /// shape, dtype and memory format of the output and must not be changed. A gradient may be
  /// undefined: it counts as zero.
  virtual std::vector<Tensor> backward(const Tensor& dy) = 0;
  /// The tensors that are kept for backward.
  virtual std::vector<SavedTensor*> saved() { return {}; }
  /// What is kept for backward, in bytes, and its end.
  virtual double saved_bytes();
  virtual void release();
  virtual bool is_accumulator() const { return false; }

  /// Of one matrix product of forward; backward has as many for each gradient of an operand. 0 for
  /// an operation that memory bounds.
  virtual double multiply_adds() const { return 0; }
  /// True when the operation calls report() itself, for its parts.
  virtual bool reports_itself() const { return false; }

  bool needs_grad(std::size_t input) const { return inputs[input].node != nullptr; }

  std::vector<Edge> inputs;
  std::shared_ptr<Hooks> hooks;  // null when there are none
  // What the gradient of the output must look like.
  Shape shape;
  DType dtype = DType::float32;
  MemoryFormat format = MemoryFormat::contiguous;
  bool released = false;
};

/// An input of an operation, under the name that its errors use.
struct Input {
  const char* name;
  const Tensor& tensor;
};

/// The node that adds gradients to `leaf`. It does not keep the leaf alive.
std::shared_ptr<Node> make_accumulator(const Tensor& leaf);

/// True when gradients are recorded and one of the inputs requires one.
bool should_record(const std::vector<Input>& inputs);

/// Makes `y` the output of `node` with the given inputs.
void connect(Tensor& y, std::shared_ptr<Node> node, const std::vector<Input>& inputs);

/// Ends an operation: builds NodeT(saved...) as the origin of `y` if gradients are recorded and
/// one of the inputs requires one. Returns `y`.
template <class NodeT, class... Saved>
Tensor record(Tensor y, const std::vector<Input>& inputs, Saved&&... saved) {
  if (should_record(inputs)) {
    connect(y, std::make_shared<NodeT>(std::forward<Saved>(saved)...), inputs);
  }
  return y;
}

}  // namespace resgrad
