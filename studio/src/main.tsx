import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import { Studio } from "./studio";
import "./studio.css";

const root = document.getElementById("studio");
if (root) {
  root.replaceChildren();
  render(<Studio />, root);
}
