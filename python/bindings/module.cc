// SPDX-License-Identifier: Apache-2.0
// loralens._core: what the package's Python code needs of the library. Users call loralens.load (loralens/model.py).
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <torch/csrc/utils/pybind.h>  // tensors as torch.Tensor, without a copy

#include "errors.h"
#include "model.h"

namespace loralens {
namespace {

namespace py = pybind11;

OpenedModel open(const std::string& folder, const std::string& model, const std::vector<std::string>& classes,
                 const InputOptions& input, const ComputeChoice& choice) {
  return unlocked([&] {
    return OpenedModel({.run = folder, .model = model, .classes = classes, .bare_input = input, .folds = false},
                       choice);
  });
}

std::vector<std::string> predict(const OpenedModel& model, const std::vector<std::string>& files) {
  const auto check_interrupt = [] {
    const py::gil_scoped_acquire lock;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  };
  return unlocked([&] { return model.predict(files, check_interrupt); });
}

// pybind11's conversion of a Python function takes the lock for each call.
using Patches = std::vector<std::pair<std::string, OpenedModel::Patch>>;

// The logits, and for each site the values of the files.
std::pair<at::Tensor, std::vector<std::vector<at::Tensor>>> forward(const OpenedModel& model,
                                                                    const std::vector<std::string>& files,
                                                                    const std::vector<std::string>& sites,
                                                                    bool adapters, const Patches& patches) {
  ForwardResult result = unlocked([&] { return model.forward(files, sites, adapters, patches); });
  return {std::move(result.logits), std::move(result.values)};
}

std::vector<std::string> folders_of(const OpenedModel& model) {
  std::vector<std::string> folders;
  for (const Path& folder : model.run().folders) folders.push_back(folder.string());
  return folders;
}

}  // namespace
}  // namespace loralens

PYBIND11_MODULE(_core, module) {
  using namespace loralens;
  translate_errors();
  py::class_<InputOptions>(module, "InputOptions")
      .def(py::init([](bool padded, double tail) { return InputOptions{.padded = padded, .tail = tail}; }),
           py::kw_only(), py::arg("padded"), py::arg("tail"))
      .def_readonly("padded", &InputOptions::padded)
      .def_readonly("tail", &InputOptions::tail);
  py::class_<ComputeChoice>(module, "ComputeChoice")
      .def(py::init([](const std::string& device, const std::string& precision, int threads) {
             return ComputeChoice{device, precision, threads};
           }),
           py::kw_only(), py::arg("device"), py::arg("precision"), py::arg("threads"));
  py::class_<OpenedModel>(module, "OpenedModel")
      .def("predict", &predict)
      .def("forward", &forward)
      .def("sites", &OpenedModel::sites)
      .def_property_readonly("classes", [](const OpenedModel& model) { return model.run().models.front().classes; })
      .def_property_readonly("folders", &folders_of)
      .def_property_readonly("input", [](const OpenedModel& model) { return model.run().models.front().input; })
      .def_property_readonly("layers", [](const OpenedModel& model) { return model.run().base.encoder.config.layers; })
      .def_property_readonly("base", [](const OpenedModel& model) { return model.run().base.name; });
  module.def("open", &open);
}
