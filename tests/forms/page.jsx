// A form drawn from a schema as the platform draws it: the fields that `secrets` names are masked, examples are shown,
// and the schema alone decides what is refused.
import Form from "@rjsf/core";
import validator from "@rjsf/validator-ajv8";
import { createRoot } from "react-dom/client";

const root = createRoot(document.getElementById("form"));

function example(value) {
  return Array.isArray(value) ? value.join(" and ") : value;
}

function appearance(schema) {
  const fields = Object.entries(schema.properties).map(([name, field]) => {
    const options = {};
    if (schema.secrets.includes(name)) {
      options.widget = "password";
      options.autocomplete = "new-password";
    }
    if (field.examples) {
      options.help = `For example: ${field.examples.map(example).join(" or ")}`;
    }
    return [name, { "ui:options": options, items: { "ui:label": false } }];
  });
  return { ...Object.fromEntries(fields), "ui:submitButtonOptions": { submitText: "Save" } };
}

// The validator would quote the regular expression. Whoever fills in a form is told what to type, from the same schema.
function inWords(errors, schema) {
  return errors.map((error) => {
    if (error.name !== "pattern") {
      return error;
    }
    const { examples } = schema.properties[error.property.slice(1)];
    const message = examples ? `must look like ${examples.join(" or ")}` : "must be copied whole, and nothing else";
    return { ...error, message };
  });
}

window.draw = (schema) => {
  window.saved = null;
  root.render(
    <Form
      key={schema.title}
      schema={schema}
      uiSchema={appearance(schema)}
      validator={validator}
      transformErrors={(errors) => inWords(errors, schema)}
      onSubmit={({ formData }) => {
        window.saved = formData;
      }}
      onError={() => {
        window.saved = null;
      }}
      noHtml5Validate
      showErrorList={false}
      focusOnFirstError
    />,
  );
};
