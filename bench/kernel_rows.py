"""Rows of single kernels: t-SNE against scikit-learn, and the micro-benchmarks of loralens_bench."""
from measure import Place, kernel, peer
from rows import Line, Row, compared


def tsne_row(place: Place) -> Row:
    sizes = (200,) if place.quick else (1000, 2000, 5000, 10_000)

    def ours() -> dict:
        found = {}
        for n in sizes:
            (entry,) = kernel(place, f"^tsne/{n}/", threads=place.threads).values()
            found |= {f"{n}": entry["seconds"], f"{n} divergence": entry["divergence"]}
        return found

    def theirs() -> dict:
        return peer(place, "tsne", sizes=sizes)

    def lines(m: dict) -> list[Line]:
        return [compared(f"t-SNE of {n:,} points", m["ours"][f"{n}"], m["scikit-learn"][f"{n}"], "s", "scikit-learn, Barnes-Hut", 1.0,
                         note=f"KL divergence {m['ours'][f'{n} divergence']:.3f}, scikit-learn's {m['scikit-learn'][f'{n} divergence']:.3f}")
                for n in sizes]

    return Row("tsne", "t-SNE against scikit-learn's Barnes-Hut", {"ours": ours, "scikit-learn": theirs}, lines, repeats=1)


def kernels_row(place: Place) -> Row:
    def ours() -> dict:
        found = kernel(place, "(product|attention|^gram)", threads=place.threads)
        return {name.removesuffix("/real_time"): entry["flops"] / 1e9 for name, entry in found.items()}

    def lines(m: dict) -> list[Line]:
        rates = m["ours"]
        found = []
        for name, rate in rates.items():
            if name.startswith("libtorch-"):
                continue
            theirs = rates.get(f"libtorch-{name}")
            found.append(Line(name.replace("/", " "), rate, "GFLOP/s", "LibTorch" if theirs else "", theirs, theirs and rate / theirs))
        return found

    return Row("kernels", "matrix products and attention beside LibTorch's, Gram", {"ours": ours}, lines)


def rows(place: Place) -> list[Row]:
    return [tsne_row(place), kernels_row(place)]
