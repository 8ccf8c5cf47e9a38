// Module: the base of all layers and networks. It holds named parameters, buffers and children,
// and says whether the network trains or evaluates. Built on tensors; knows no concrete layer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/named_tensor.h"
#include "core/scoped_value.h"

namespace resgrad {

class Module;
struct OnnxGraph;
using ModulePtr = std::shared_ptr<Module>;

/// Copies the values of `state` to the tensors of `own` that have the same names; `op` stands for
/// the caller in the message.
/// Throws  ValueError that names missing, unexpected and misshapen tensors, five at most, and counts
///         the others; nothing is changed then.
void copy_state(std::string_view op, const std::vector<NamedTensor>& own,
                const std::vector<NamedTensor>& state);

/// Sees the calls of modules in this thread while it is alive; of several, the latest alone. They
/// end in the reverse order of their beginnings. The summary and the search for NaN use it.
class CallObserver {
 public:
  CallObserver();
  virtual ~CallObserver() = default;

  /// True while one is alive in this thread. Modules that would join the work of several children
  /// in one operation then call them one by one, so that each is seen; results are the same, those
  /// of a network that is prepared for inference up to rounding.
  static bool active();

  virtual void enter(const Module& module, const Tensor& x) = 0;
  virtual void leave(const Module& module, const Tensor& y) = 0;

 private:
  ScopedValue<CallObserver*> current_;
};

class Module : public std::enable_shared_from_this<Module> {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Computes the output.
  /// Throws  what the operations throw.
  Tensor operator()(const Tensor& x);

  /// The type as printed by the summary, such as "Conv2d".
  virtual std::string class_name() const = 0;

  /// Parameters of this module and its children, in the order of registration, own ones first. One
  /// that is shared appears once, under its first name.
  std::vector<NamedTensor> named_parameters() const;
  /// Tensors that belong to the state but get no gradient, such as running statistics.
  std::vector<NamedTensor> named_buffers() const;
  /// Parameters and buffers: per module its parameters, its buffers, then its children, as in
  /// PyTorch. The tensors are the module's own, not copies.
  std::vector<NamedTensor> state_dict() const;
  /// Copies values by name.
  /// Throws  as copy_state().
  void load_state_dict(const std::vector<NamedTensor>& state);

  /// Own parameters, buffers and children, without those of the children.
  const std::vector<NamedTensor>& own_parameters() const { return parameters_; }
  const std::vector<NamedTensor>& own_buffers() const { return buffers_; }
  const std::vector<std::pair<std::string, ModulePtr>>& children() const { return children_; }

  /// Calls `f` for this module and all below it, children first.
  void apply(const std::function<void(Module&)>& f);
  /// Number of parameter elements here and below.
  std::int64_t parameter_count() const;
  void zero_grad();

  /// Train or evaluation mode, here and below. It changes batch norms and layers that drop alone;
  /// whether gradients are recorded is NoGradGuard's business.
  void train() { set_training(true); }
  void eval() { set_training(false); }
  void set_training(bool training);
  bool is_training() const { return training_; }

  /// Whether forward() applies the children one after the other and does nothing else, so that they
  /// may join (nn/fused.h) with what stands around a call.
  virtual bool applies_children_in_turn() const { return false; }

  /// What stands between a call of a module and its forward(): gets both and the input, returns the
  /// output.
  using Caller = Tensor (*)(Module& module, std::function<Tensor(const Tensor&)> forward,
                            const Tensor& x);
  /// Lets calls of this module go through `caller`; null: straight to forward().
  void call_through(Caller caller) { caller_ = caller; }
  bool calls_through() const { return caller_ != nullptr; }

  /// Adds to `graph` (core/onnx_graph.h) the operators that compute this module in evaluation mode
  /// from the value `x`, under names below `path`, and returns the name of the value that comes
  /// out. A module of one's own that is to be written as ONNX overrides this beside forward().
  /// Throws  ValueError for a module that does not.
  virtual std::string add_to_onnx(OnnxGraph& graph, const std::string& path,
                                  const std::string& x) const;

  /// Converts all floating parameters and buffers, here and below. Gradients are dropped.
  /// Throws  ValueError for a dtype that is not floating; whatever it throws, nothing is converted
  ///         then.
  void to(DType dtype);

 protected:
  virtual Tensor forward(const Tensor& x) = 0;

  /// add_to_onnx() of a module that applies its children one after the other.
  std::string children_to_onnx(OnnxGraph& graph, const std::string& path, std::string x) const;

  /// Adds a parameter (a leaf that requires a gradient), a buffer (a tensor without one) or a child
  /// and returns it; the returned handle shares the data.
  /// Throws  ValueError for a name that is empty, has a dot or is taken by another parameter,
  ///         buffer or child of this module; for an undefined tensor, a null child or one that
  ///         holds this module; for a parameter of int64. StateError for a parameter that an
  ///         operation made, and a buffer that requires a gradient.
  Tensor register_parameter(std::string name, Tensor tensor);
  Tensor register_buffer(std::string name, Tensor tensor);
  template <class M>
  std::shared_ptr<M> register_module(const std::string& name, std::shared_ptr<M> child) {
    add_child(name, child);
    return child;
  }

 private:
  friend class EvalGuard;
  void require_free_name(std::string_view op, std::string_view name) const;
  void add_child(std::string name, ModulePtr child);

  std::vector<NamedTensor> parameters_, buffers_;
  std::vector<std::pair<std::string, ModulePtr>> children_;
  bool training_ = true;
  Caller caller_ = nullptr;
};

}  // namespace resgrad
