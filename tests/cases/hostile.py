"""Write hostile workflow files into the current directory, one of each kind."""
head = "on: push\njobs:\n  a:\n    runs-on: x\n"
steps = "    steps: [{run: x}]\n"
anchor = lambda i: chr(97 + i)
bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
	f"{anchor(i + 1)}: &{anchor(i + 1)} [{','.join(['*' + anchor(i)] * 9)}]\n" for i in range(12))
files = {
	"bomb": bomb + "on: push\njobs: {}\n",
	"deep": head + steps + "    env: " + "{a: " * 200 + "x" + "}" * 200 + "\n",
	"jobs": "on: push\njobs:\n" + "".join(f"  j{i}: {{runs-on: x}}\n" for i in range(20000)),
	"matrix": head + "    strategy:\n      matrix:\n"
		+ "".join(f"        v{k}: {list(range(1000))}\n" for k in range(3)) + steps,
	"keys": head + "    strategy:\n      matrix:\n"
		+ "".join(f"        v{k}: [1]\n" for k in range(30000)) + steps,
	"exclude": head + f"    strategy:\n      matrix:\n        a: {list(range(250))}\n"
		+ f"        b: {list(range(250))}\n        exclude:\n"
		+ "".join(f"          - {{a: {k}}}\n" for k in range(30000)) + steps,
	"parens": head + "    if: " + "(" * 20990 + "1\n" + steps,
	"mistakes": head + "    steps:\n" + ("      - run: " + "${{ x }}" * 2500 + "\n") * 48,
	"glob": "on: {push: {branches: ['" + "*a" * 400000 + "']}}\njobs: {}\n",
	"scalar": "a: '" + "x" * 100_000_000 + "'\n",
	"nul": "on: push\njobs: {a: \"x\0y\"}\n",
}
for name, text in files.items():
	open(name + ".yml", "w").write(text)
