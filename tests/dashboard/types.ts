// Grafana's own types, with the words that a JSON file has in the place of its enumerations.
import type { Dashboard } from "@grafana/schema";
import type * as Heatmap from "./node_modules/@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen";
import type * as Stat from "./node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen";
import type * as Series from "./node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen";

type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : T extends (infer Item)[]
        ? Plain<Item>[]
        : { [Name in keyof T]: Plain<T[Name]> };

export type Board = Plain<Dashboard>;
export type Options = {
  heatmap: Plain<Heatmap.Options>;
  stat: Plain<Stat.Options>;
  timeseries: Plain<Series.Options>;
};
export type Custom = { heatmap: Plain<Heatmap.FieldConfig>; timeseries: Plain<Series.FieldConfig> };
